"""A patient characteristic, as a model file writes it: ``[covariates.CYP2D6]`` and what is to be done without one.

``levels``    names for the values of a categorical one, ``{ poor = 0, normal = 1 }``
``carry``     which way a value holds from its report: ``"forward"``, or ``"backward"`` until it
``missing``   ``widens = { CL = 0.05 }``: variance that eta has besides while the characteristic was never reported
``molar_mass``  g/mol, with which a concentration may be reported by mass too: creatinine in mg/dL for umol/L
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, cast

from twin.model.spec import CovariateSpec
from twin.model.table import Table, check_name
from twin.names import NAME_IN_WORDS, is_name


def read_covariates(top: Table) -> tuple[CovariateSpec, ...]:
    """The characteristics of a model, in file order.

    Raises:
        ModelError: a reference outside its range or levels, levels that are alike, or a widening that is no variance.
    """
    return tuple(_covariate(name, table) for name, table in top.named("covariates"))


def check_widening(top: Table, covariates: Sequence[CovariateSpec], eta_names: Collection[str]) -> None:
    """Check that what a missing characteristic widens has a random effect to widen.

    Raises:
        ModelError: naming the parameter that has none.
    """
    for covariate in covariates:
        for name, _ in covariate.widens:
            if name not in eta_names:
                problem = f"has no iiv to widen; the parameters with iiv are {', '.join(eta_names) or 'none'}"
                raise top.wrong(f"covariates.{covariate.name}.missing.widens.{name}", problem)


def _covariate(name: str, table: Table) -> CovariateSpec:
    check_name(table, name)
    unit, reference = table.unit(), table.number("reference")
    low, high = table.optional_number("low"), table.optional_number("high")
    if (low is not None and reference < low) or (high is not None and reference > high):
        raise table.wrong("reference", f"is {reference:g}, outside low to high; widen the range or mend the reference")
    carry = table.choice("carry", ("forward", "backward")) if table.has("carry") else "forward"
    levels = tuple(table.numbers("levels").items())
    for level, _ in levels:
        if not is_name(level):
            raise table.wrong("levels", f"names a value '{level}'; {NAME_IN_WORDS}")
    values = [value for _, value in levels]
    if len(set(values)) < len(values):
        raise table.wrong("levels", "gives two names to one value; keep one of them")
    if levels and reference not in values:
        known = ", ".join(f"{value:g}" for value in values)
        raise table.wrong("reference", f"is {reference:g}, none of the levels; write one of {known}")
    return CovariateSpec(
        name,
        unit,
        reference,
        low,
        high,
        *table.evidence(),
        table.optional_text("note"),
        cast(Literal["forward", "backward"], carry),
        levels,
        _widens(table),
        table.optional_number("molar_mass", above=0),
    )


def _widens(table: Table) -> tuple[tuple[str, float], ...]:
    if not table.has("missing"):
        return ()
    missing = table.table("missing")
    found = missing.numbers("widens", above=0)
    if not found:
        raise missing.wrong("widens", "is missing; write the variance that is added to an eta, { CL = 0.05 }")
    missing.evidence()
    missing.close()
    return tuple(found.items())
