"""A patient characteristic, as a model file writes it: ``[covariates.CYP2D6]`` and what is to be done without one.

``levels``    names for the values of a categorical one, ``{ poor = 0, normal = 1 }``
``carry``     which way a value holds from its report: ``"forward"``, or ``"backward"`` until it
``missing``   ``widens = { CL = 0.05 }``: variance that eta has besides while the characteristic was never reported
``studied``   ``{ low = 40, high = 99.5 }``: the patients that its effects were learnt from; who is beyond is told of
``molar_mass``  g/mol, with which a concentration may be reported by mass too: creatinine in mg/dL for umol/L

One that nobody sees makes the patients a mixture of classes: ``[mixture]`` names the ``covariate``, whose ``levels``
are the classes, and gives the ``shares`` of patients who are of each, ``{ slow = 0.4, fast = 0.6 }``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Literal, cast

from twin.model.spec import CovariateSpec, MixtureSpec
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


ROUNDED = 0.005
"""What published shares may sum to more or less than 1 by."""


def read_mixture(top: Table, covariates: Sequence[CovariateSpec]) -> MixtureSpec | None:
    """The classes of patients, where a model has any.

    Raises:
        ModelError: no such covariate, one without levels, or shares that are not those of its levels or of everybody.
    """
    if not top.has("mixture"):
        return None
    table = top.table("mixture")
    if not covariates:
        raise table.wrong("covariate", "there is none; write the class as one, with a level for each of its values")
    name = table.choice("covariate", [covariate.name for covariate in covariates])
    of = next(covariate for covariate in covariates if covariate.name == name)
    shares = table.numbers("shares", above=0)
    if len(of.levels) < 2:
        raise top.wrong(f"covariates.{name}.levels", "names no classes; write two or more, { slow = 1, fast = 2 }")
    if of.widens:
        raise top.wrong(f"covariates.{name}.missing", "is of what may be reported, and a class never is; leave it out")
    classes = [level for level, _ in of.levels]
    if set(shares) != set(classes):
        given = ", ".join(shares) or "nothing"
        raise table.wrong("shares", f"are of {given}; write one for each of {', '.join(classes)}")
    total = math.fsum(shares.values())
    if abs(total - 1.0) > ROUNDED:
        raise table.wrong("shares", f"sum to {total:g}; they are of everybody, so that they sum to 1")
    found = MixtureSpec(
        name,
        tuple(classes),
        tuple(value for _, value in of.levels),
        tuple(shares[one] / total for one in classes),
        *table.evidence(),
    )
    table.close()
    return found


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
        _studied(table, reference),
    )


def _studied(table: Table, reference: float) -> tuple[float, float] | None:
    if not table.has("studied"):
        return None
    inner = table.table("studied")
    low, high = inner.number("low"), inner.number("high")
    inner.close()
    if not low < high:
        raise table.wrong("studied", f"is from {low:g} to {high:g}; write the least value and one that is greater")
    if not low <= reference <= high:
        problem = f"is {reference:g}, outside the studied {low:g} to {high:g}; who says nothing must be one of those"
        raise table.wrong("reference", f"{problem} that were studied")
    return low, high


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
