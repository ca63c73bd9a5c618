"""Drawings of quantities that ought to be uniform: histograms, and how far distributions lie from the diagonal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from scipy import stats

from connectors.reports.drawing import drawing, svg
from twin.figure.axes import title
from twin.figure.style import BLUE, ORANGE, SOFT
from twin.study.calibration import Uniform
from twin.study.uniformity import envelope
from twin.writing import number

BINS = 20


def uniform_drawing(quantities: Sequence[Uniform], alpha: float, what: str) -> Markup:
    """Above the histogram of each quantity, below how far its distribution lies from the diagonal."""
    columns = min(4, len(quantities))
    padded = -(-len(quantities) // columns) * columns
    with drawing(2 * padded, columns=columns, panel=(2.6, 1.75)) as (figure, axes):
        for ax in axes:
            ax.set_visible(False)
        for i, one in enumerate(quantities):
            row, column = divmod(i, columns)
            over, under = axes[2 * row * columns + column], axes[(2 * row + 1) * columns + column]
            colour = BLUE if one.p_value >= alpha else ORANGE
            _histogram(over, one, colour)
            _difference(under, one, alpha, colour)
            under.set_xlabel(what)
            if column == 0:
                over.set_ylabel("count")
                under.set_ylabel("ECDF minus x")
        return svg(figure, f"{what}: histogram and empirical distribution of {', '.join(q.name for q in quantities)}")


def _histogram(ax: Axes, one: Uniform, colour: str) -> None:
    ax.set_visible(True)
    count = len(one.values)
    low, high = (float(stats.binom.ppf(level, count, 1 / BINS)) for level in (0.005, 0.995))
    ax.axhspan(low, high, color=SOFT, alpha=0.14, lw=0)
    ax.axhline(count / BINS, color=SOFT, lw=0.8)
    ax.hist(one.values, bins=BINS, range=(0, 1), color=colour, alpha=0.75, lw=0)
    title(ax, f"{one.name}   p = {number(one.p_value, 2)}")
    ax.set_xlim(0, 1)
    ax.tick_params(labelbottom=False)


def _difference(ax: Axes, one: Uniform, alpha: float, colour: str) -> None:
    ax.set_visible(True)
    bound = envelope(len(one.values), alpha)
    ax.fill_between(bound.points, bound.low - bound.points, bound.high - bound.points, color=SOFT, alpha=0.18, lw=0)
    at = np.linspace(0, 1, 201)
    share = np.searchsorted(np.sort(one.values), at, side="right") / len(one.values)
    ax.plot(at, share - at, color=colour)
    ax.axhline(0, color=SOFT, lw=0.8)
    ax.set_xlim(0, 1)
