"""How numbers, units and lengths of time are written for people: in alerts, on figures and on pages alike."""

from __future__ import annotations

import functools
import math
import re

from twin.clock import HOUR_MS, UNIT_MS

_POWERS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

_WORDS = {"1": "", "a": "years", "Cel": "°C"}

_PLAIN = (-4, 7)
"""Orders of magnitude that are written out; what is smaller or larger has an exponent."""

_HOURS = 48
"""From here on a length of time is written in days."""


def number(value: float, digits: int = 3) -> str:
    """A number with ``digits`` significant digits, without an exponent where people would write none.

    >>> [number(x) for x in (0.0, 1.0, 0.012345, 171234.0, 2.5e9, -3.14159)]
    ['0', '1', '0.0123', '171000', '2.5×10⁹', '-3.14']
    """
    if not math.isfinite(value):
        return "–"
    rounded = float(f"{value:.{digits}g}")
    if rounded == 0:
        return "0"
    order = math.floor(math.log10(abs(rounded)))
    if _PLAIN[0] <= order < _PLAIN[1]:
        text = f"{rounded:.{max(0, digits - 1 - order)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa = f"{rounded / 10.0**order:.{digits - 1}f}".rstrip("0").rstrip(".")
    return f"{mantissa}×10{str(order).translate(_POWERS)}"


@functools.lru_cache(maxsize=1024)
def unit(ucum: str) -> str:
    """A UCUM unit as people write it; nothing for a number without one.

    >>> [unit(u) for u in ("10*9/L", "ug/mL", "mg.h/L", "1", "mm[Hg]", "mL/min/{1.73_m2}")]
    ['×10⁹/L', 'µg/mL', 'mg·h/L', '', 'mmHg', 'mL/min/1.73 m²']
    """
    if ucum in _WORDS:
        return _WORDS[ucum]
    text = re.sub(r"(^)?10[*^](-?\d+)", _power_of_ten, ucum)
    text = re.sub(r"\bu(?=[a-zA-Z])", "µ", text)
    text = re.sub(r"(?<=[A-Za-z])(-?\d)\b", lambda found: found[1].translate(_POWERS), text)
    text = re.sub(r"(?<![0-9])\.", "·", text)
    return re.sub(r"\{(.*?)\}", lambda found: found[1].replace("_", " "), text).replace("mm[Hg]", "mmHg")


def _power_of_ten(found: re.Match[str]) -> str:
    """``10*9/L`` alone follows a figure, so it is a factor; in ``nmol/10*9`` it is part of the unit."""
    return f"{'×' if found[1] is not None else ''}10{found[2].translate(_POWERS)}"


def duration(length: float, time_unit: str) -> str:
    """A length of time given in a model's ``time_unit``, in days or hours where that is read more easily.

    >>> [duration(*d) for d in ((504, "h"), (1.5, "h"), (0.25, "h"), (0.25, "d"), (21, "d"), (60, "h"))]
    ['21 d', '1.5 h', '15 min', '6 h', '21 d', '2.5 d']
    """
    hours = length * UNIT_MS[time_unit] / HOUR_MS
    if abs(hours) < 1:
        return f"{number(60 * hours)} min"
    return f"{number(hours)} h" if abs(hours) < _HOURS else f"{number(hours / 24)} d"
