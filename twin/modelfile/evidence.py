"""What a model file says of its own numbers: publications, confirmations, how variability was printed, what to expect.

``[[sources]]``       where the numbers come from; at least one
``[[confirmed_by]]``  sources of another lineage that hold the same; or ``unconfirmed = "where one was looked for"``
``[variability]``     ``stated_as``: in which form the source prints iiv and iov (`twin.model.evidence.STATED_AS`)
``stated``            of a parameter: the printed numbers, ``{ iiv = 0.399 }``, which must give its variances; also the
                      standard error ``se`` of its value over so many ``patients``, and the SD in the cohort,
                      ``cohort_sd``, which bound them
``[[expected]]``      what the typical patient must show under the usual regimens
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import cast

from twin.model.evidence import (
    NOT_STATED,
    STATED_AS,
    CitationSpec,
    ConfirmationSpec,
    ExpectedSpec,
    StatedAs,
    StatedSpec,
    VariabilitySpec,
    variance_of,
)
from twin.model.spec import OutputSpec, ParameterSpec, StateSpec
from twin.model.table import Table

CLOSE = 0.01
"""A variance this near, relative, is that of the printed number, whatever was rounded on the way."""


def read_citations(top: Table) -> tuple[CitationSpec, ...]:
    """Where the numbers come from.

    Raises:
        ModelError: nowhere.
    """
    found = tuple(_citation(table) for table in top.listed("sources"))
    if not found:
        raise top.wrong("sources", "is missing; name the publication: [[sources]] with citation and doi")
    return found


def read_confirmation(top: Table) -> tuple[tuple[ConfirmationSpec, ...], str | None]:
    """Independent sources, or where one was looked for in vain.

    Raises:
        ModelError: both are said.
    """
    found = tuple(ConfirmationSpec(_citation(table), table.text("covers")) for table in top.listed("confirmed_by"))
    unconfirmed = top.optional_text("unconfirmed")
    if found and unconfirmed:
        raise top.wrong("unconfirmed", "contradicts [[confirmed_by]]; keep the one that is true")
    return found, unconfirmed


def _citation(table: Table) -> CitationSpec:
    return CitationSpec(
        table.text("citation"), table.optional_text("doi"), table.optional_text("url"), table.optional_text("note")
    )


# --- variability -----------------------------------------------------------------------------------------------------


def read_variability(top: Table) -> VariabilitySpec | None:
    """In which form the source prints iiv and iov, where the file says it for all parameters."""
    if not top.has("variability"):
        return None
    table = top.table("variability")
    found = VariabilitySpec(_stated_as(table), *table.evidence())
    table.close()
    return found


def read_stated(table: Table) -> StatedSpec:
    """How the source prints the variability of the parameter in this table."""
    stated_as = _stated_as(table) if table.has("stated_as") else None
    if not table.has("stated"):
        return NOT_STATED if stated_as is None else StatedSpec(stated_as)
    inner = table.table("stated")
    iiv, iov, isv, se = (inner.optional_number(key, above=0) for key in ("iiv", "iov", "isv", "se"))
    patients = inner.optional_number("patients", least=2)
    cohort_sd = inner.optional_number("cohort_sd", above=0)
    found = StatedSpec(stated_as, iiv, iov, isv, se, None if patients is None else round(patients), cohort_sd)
    inner.close()
    if (se is None) != (patients is None):
        missing, there = ("patients", "se") if patients is None else ("se", "patients")
        raise inner.wrong(missing, f"is missing beside {there}, which says nothing alone; write it, or leave out both")
    if found.patients != patients:
        raise inner.wrong("patients", f"is {patients:g}; write a whole number")
    return found


def check_stated(top: Table, parameters: Sequence[ParameterSpec], variability: VariabilitySpec | None) -> None:
    """Check that every printed number gives the variance that the file has.

    Raises:
        ModelError: a number whose form is not said, or that has no variance or another one beside it.
    """
    for parameter in parameters:
        path = f"parameters.{parameter.name}"
        form = stated_form(parameter, variability)
        lognormal = parameter.distribution in ("log-normal", "box-cox")
        if form == "cv_of_parameter" and parameter.stated.stated_as and not lognormal:
            raise top.wrong(
                f"{path}.stated_as", "is of log-normal parameters only; write 'sd', 'variance' or 'cv_of_eta'"
            )
        for level, printed, variance in (
            ("iiv", parameter.stated.iiv, parameter.iiv),
            ("iov", parameter.stated.iov, parameter.iov),
            ("isv", parameter.stated.isv, parameter.isv),
        ):
            if printed is None:
                continue
            if variance is None:
                raise top.wrong(f"{path}.stated.{level}", f"has no {level} beside it; write {level}, or leave this out")
            if form is None:
                problem = f"does not say what it is; write stated_as, one of {', '.join(STATED_AS)}"
                raise top.wrong(f"{path}.stated", problem)
            relative_to = parameter.value if parameter.distribution == "normal" else None
            meant = variance_of(printed, form, relative_to)
            if not _agrees(variance, printed, form, relative_to):
                problem = f"is {printed:g}, as {form} a variance of {meant:.6g}, and {level} is {variance:g}"
                raise top.wrong(f"{path}.stated.{level}", f"{problem}; mend the one that is wrong")


def stated_form(parameter: ParameterSpec, variability: VariabilitySpec | None) -> StatedAs | None:
    """In which form the source prints the variability of a parameter; ``None`` where the file does not say."""
    return parameter.stated.stated_as or (variability.stated_as if variability else None)


def _stated_as(table: Table) -> StatedAs:
    return cast(StatedAs, table.choice("stated_as", STATED_AS))


def _agrees(variance: float, printed: float, form: StatedAs, relative_to: float | None) -> bool:
    """Whether a variance lies within what the printed number may have been before it was rounded."""
    half = rounding(printed)
    low, high = (variance_of(max(printed + step, 0.0), form, relative_to) for step in (-half, half))
    near = math.isclose(variance, variance_of(printed, form, relative_to), rel_tol=CLOSE)
    return near or low <= variance <= high


def rounding(printed: float) -> float:
    """Half a unit of the last digit that a number is written with.

    >>> rounding(0.399), rounding(68.0)
    (0.0005, 0.5)
    """
    exponent = Decimal(repr(printed)).normalize().as_tuple().exponent
    assert isinstance(exponent, int), "the number is finite"
    return 0.5 * 10.0 ** min(exponent, 0)


# --- what to expect --------------------------------------------------------------------------------------------------


def read_expected(top: Table, outputs: Sequence[OutputSpec], states: Sequence[StateSpec]) -> tuple[ExpectedSpec, ...]:
    """What the typical patient must show.

    Raises:
        ModelError: of what is neither an output nor a state, or outside a range that is none.
    """
    names = [output.name for output in outputs] + [state.name for state in states]
    found: list[ExpectedSpec] = []
    for table in top.listed("expected"):
        low = table.number("low")
        high = table.number("high")
        if high <= low:
            raise table.wrong("high", f"is {high:g}, not above low {low:g}; a range has some width")
        found.append(ExpectedSpec(table.choice("of", names), table.number("at", least=0), low, high, *table.evidence()))
    return tuple(found)
