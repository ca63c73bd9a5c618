"""How values convert into the units that a reader may choose: straight lines, made by `twin.units` alone."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from connectors.access.preferences import UNITS
from connectors.console.patient.individual import Analyte
from twin.units import UnitError, straight_line

ALWAYS = (Analyte("temperature", "Cel"),)
"""What is shown of every patient, whatever the models are."""


class Lines(msgspec.Struct, frozen=True):
    """Of one analyte in one unit: its kind, and by code slope and offset of ``value * slope + offset``."""

    kind: str
    to: dict[str, tuple[float, float]]


def lines_of(analytes: Iterable[Analyte]) -> dict[str, dict[str, Lines]]:
    """By analyte and unit into what its values convert; those of which nothing can be chosen are left out.

    >>> lines_of([Analyte("creatinine", "umol/L", 113.12)])["creatinine"]["umol/L"].to["mg/dL"]
    (0.011312, 0.0)
    """
    found: dict[str, dict[str, Lines]] = {}
    for one in (*ALWAYS, *analytes):
        kinds = (one.name,) if one.name in UNITS else UNITS
        for kind in kinds:
            to = {code: line for code in UNITS[kind] if (line := _line(one, code)) is not None}
            if to:
                found.setdefault(one.name, {})[one.unit] = Lines(kind, to)
                break
    return found


def _line(one: Analyte, code: str) -> tuple[float, float] | None:
    """None where the two do not convert, as a mass into a substance whose molar mass nobody gave."""
    try:
        slope, offset = straight_line(one.unit, code, one.molar_mass)
    except UnitError:
        return None
    return float(f"{slope:.12g}"), float(f"{offset:.12g}")
