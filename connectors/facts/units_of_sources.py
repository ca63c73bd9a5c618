"""Which UCUM unit a source means: what it says, or what its profile says that it means; never a guess.

A text is read as UCUM only where it then measures what the code says is measured: ``K/uL`` beside a count would be
kelvin, and is refused until the profile says that it is ``10*3/uL``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from connectors.facts.fact import NotAFact, shown
from twin.events import Quantity
from twin.units import UnitError, convert


def quantity(
    value: float,
    text: str | None,
    measures: str,
    *,
    means: Mapping[str, str],
    low: float | None = None,
    high: float | None = None,
    molar_mass: float | None = None,
) -> Quantity:
    """The quantity that a number and its unit are.

    Args:
        value: the number.
        text: the unit as the source writes it.
        measures: a unit of what is measured, as ``10*9/L``.
        means: what the source's own spellings mean, in UCUM.
        low, high: what such a quantity can be, in ``measures``.
        molar_mass: g/mol, where amounts of substance and masses both are told.

    Raises:
        NotAFact: ``no_unit``, ``unknown_unit`` or ``out_of_range``.
    """
    if not text:
        raise NotAFact("no_unit", f"a number without a unit; send one of {measures!r}")
    unit = means.get(text, text)
    try:
        canonical = convert(value, unit, measures, molar_mass)
    except UnitError as error:
        if shown(text) != repr(text):
            raise NotAFact(
                "unknown_unit", f"the unit {shown(text)} is none; this is measured in {measures!r}"
            ) from None
        mend = f"say in the profile what it means: [units] {text!r} = {measures!r}, if that is so"
        raise NotAFact("unknown_unit", f"{error}; {mend}") from None
    if not math.isfinite(canonical):
        raise NotAFact("out_of_range", "a number that is none, or beyond all numbers")
    if (low is not None and canonical < low) or (high is not None and canonical > high):
        bounds = f"below {low:g}" if low is not None and canonical < low else f"above {high:g}"
        raise NotAFact("out_of_range", f"{bounds} {measures}, which such a value cannot be; look at its unit")
    return Quantity(value=value, unit=unit)
