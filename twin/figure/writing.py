"""How numbers and units are written for people, on figures and pages alike."""

from __future__ import annotations

import math
import re
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from twin.clock import DAY_MS, HOUR_MS, UNIT_MS

_POWERS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

_WORDS = {"1": "", "a": "years", "Cel": "°C"}

_PLAIN = (-4, 7)
"""Orders of magnitude that are written out; what is smaller or larger has an exponent."""

SHORT_DAYS = 3
"""A time axis up to this long is drawn in hours, a longer one in days."""

_HOURS = 48
"""From here on a length of time is written in days."""

_BRIEF_AXIS = 1.5
"""A logarithmic axis of fewer decades than this also has ticks at 2 and 5."""

_TITLE_LETTERS = 10.5
"""Letters of a bold title in one inch."""


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


def axis_time(span: float, time_unit: str) -> tuple[float, str]:
    """What times in a model's ``time_unit`` are multiplied by on an axis of length ``span``, and the unit shown.

    >>> axis_time(1000.0, "h")[1], axis_time(24.0, "h"), axis_time(0.5, "d")
    ('d', (1.0, 'h'), (24.0, 'h'))
    """
    millis = UNIT_MS[time_unit]
    shown = "h" if span * millis <= SHORT_DAYS * DAY_MS else "d"
    return millis / UNIT_MS[shown], shown


def labelled(name: str, ucum: str) -> str:
    """A name with its unit in brackets, as an axis has it.

    >>> labelled("neutrophils", "10*9/L"), labelled("score", "1")
    ('neutrophils (×10⁹/L)', 'score')
    """
    return f"{name} ({unit(ucum)})" if unit(ucum) else name


def log_ticks(axis: Axis) -> None:
    """Ticks of a logarithmic ``axis``, once its limits stand: few enough to be read, each a number people write."""
    low, high = sorted(axis.get_view_interval())
    brief = low > 0 and math.log10(high / low) < _BRIEF_AXIS
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if brief else (1.0,), numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _place: number(value)))
    axis.set_minor_formatter(NullFormatter())


def title(ax: Axes, text: str) -> None:
    """A title over ``ax`` that is broken into lines rather than cut."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    across = ax.get_position().width * figure.get_figwidth()
    ax.set_title(fill(text, max(16, int(across * _TITLE_LETTERS)), break_on_hyphens=False))
