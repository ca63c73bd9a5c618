"""Drawings of a model's population: the typical patient and the band of nine patients of ten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from connectors.reports.drawing import drawing, svg
from twin.arrays import Floats
from twin.figure.axes import axis_time, log_ticks, title
from twin.figure.style import BLUE, ORANGE, WIDE
from twin.model.spec import Model
from twin.study.population import Outlook
from twin.writing import unit

DECADES = 4
"""Orders of magnitude that a level is followed down."""

STRETCH = {0: "", 1: ": the first course", 2: ": the last course of six weeks"}


def population_drawing(
    model: Model, outlooks: Sequence[Outlook], measured: Mapping[int, Sequence[float]] | None = None
) -> Markup:
    """Every output along the model's regimen; ``measured`` gives times of measurement by output, drawn as ticks."""
    with drawing(len(outlooks), columns=2, panel=(4.6, 2.6)) as (figure, axes):
        for ax, outlook in zip(axes, outlooks, strict=True):
            output = model.outputs[outlook.output]
            factor, shown_unit = axis_time(float(outlook.times[-1] - outlook.times[0]), model.time_unit)
            times = factor * outlook.times
            ax.fill_between(times, outlook.low, outlook.high, color=BLUE, alpha=WIDE, lw=0, label="9 patients of 10")
            ax.plot(times, outlook.median, color=BLUE, lw=1.0, ls=(0, (4, 2)), label="median patient")
            ax.plot(times, outlook.typical, color=BLUE, label="typical patient")
            if outlook.of_course:
                _follow_down(ax, outlook, times)
            else:
                ax.set_ylim(*_span(outlook))
            at = [factor * t for t in (measured or {}).get(outlook.output, ())]
            _ticks(ax, [t for t in at if times[0] <= t <= times[-1]])
            title(ax, output.name + STRETCH[outlook.of_course])
            ax.set_xlabel(f"time since the first dose ({shown_unit})")
            ax.set_ylabel(unit(output.unit))
        axes[0].legend(loc="best")
        shown = ", ".join(dict.fromkeys(model.outputs[o.output].name for o in outlooks))
        return svg(figure, f"typical patient and band of nine patients of ten for {shown}")


def _follow_down(ax: Axes, outlook: Outlook, times: Floats) -> None:
    """A logarithmic axis from the peak down, as long as there is something to see."""
    top = float(outlook.high.max())
    if top <= 0:
        return
    floor = top * 10.0**-DECADES
    ax.set_yscale("log")
    ax.set_ylim(floor, 2 * top)
    log_ticks(ax.yaxis)
    seen = np.flatnonzero(outlook.high > floor)
    ax.set_xlim(times[0], times[min(int(seen[-1]) + 1, len(times) - 1)])


def _span(outlook: Outlook) -> tuple[float, float]:
    low, high = float(min(0.0, outlook.low.min())), float(outlook.high.max())
    return low, high + 0.06 * (high - low) if high > low else low + 1.0


def _ticks(ax: Axes, times: Sequence[float]) -> None:
    if times:
        ax.plot(times, np.full(len(times), 0.02), "|", color=ORANGE, ms=9, mew=1.6, transform=ax.get_xaxis_transform())
        ax.plot([], [], "|", color=ORANGE, ms=9, mew=1.6, label="measured")
