"""Axes that can be read: units as people write them, days for long times, few ticks on a logarithm, whole titles."""

from __future__ import annotations

import math
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from twin.clock import DAY_MS, UNIT_MS
from twin.writing import number, unit

SHORT_DAYS = 3
"""A time axis up to this long is drawn in hours, a longer one in days."""

_BRIEF_AXIS = 1.5
"""A logarithmic axis of fewer decades than this also has ticks at 2 and 5."""

_TITLE_LETTERS = 10.5
"""Letters of a bold title in one inch."""


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
