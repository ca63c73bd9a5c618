"""The page of one model's calibration, and the page that leads to all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from scipy import stats

from connectors.reports.curves import population_drawing
from connectors.reports.drawing import BLUE, GREEN, INK, ORANGE, SOFT, drawing, svg
from connectors.reports.pages import page
from twin.calibration import COVERAGE, FALSE_ALARM, Calibration, Foreseen, Uniform
from twin.design import ORIGIN, Design
from twin.models import Model
from twin.population import Outlook
from twin.timeline import UNIT_MS
from twin.uniformity import envelope

BINS = 20


def calibration_page(found: Calibration, model: Model, plan: Design, outlooks: Sequence[Outlook]) -> str:
    """One model's verdict with everything that it rests on."""
    unit = UNIT_MS[model.time_unit]
    measured = {
        i: sorted((millis - ORIGIN) / unit for millis, output in plan.samples if output == i)
        for i in range(len(model.outputs))
    }
    return page(
        "calibration.html",
        found=found,
        model=model,
        plan=plan,
        measured=measured,
        tests=sorted((*found.ranks, *found.pit), key=lambda one: one.p_value),
        verdicts={one.name: one.p_value >= found.alpha for one in (*found.ranks, *found.pit)},
        false_alarm=FALSE_ALARM,
        levels=COVERAGE,
        design_drawing=population_drawing(model, outlooks, measured),
        rank_drawing=_uniform_drawing(found.ranks, found.alpha, "rank of the truth"),
        pit_drawing=_uniform_drawing(found.pit, found.alpha, "PIT"),
        coverage_drawing=_coverage_drawing(found.foreseen),
    )


def index_page(found: Sequence[Calibration], failed: Sequence[tuple[str, str]] = ()) -> str:
    """All models with their verdicts, linked to their pages; ``failed`` could not be followed, for the reason given."""
    rows = sorted(found, key=lambda one: one.model)
    return page("index.html", found=rows, failed=failed, levels=COVERAGE, false_alarm=FALSE_ALARM)


def _uniform_drawing(quantities: Sequence[Uniform], alpha: float, what: str) -> Markup:
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
    ax.set_title(f"{one.name}   p = {one.p_value:.2g}", color=INK)
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


def _coverage_drawing(foreseen: Sequence[Foreseen]) -> Markup:
    with drawing(len(foreseen), columns=3, panel=(3.1, 2.7)) as (figure, axes):
        for ax, one in zip(axes, foreseen, strict=True):
            level = np.array([c.level for c in one.coverage])
            share = np.array([c.share for c in one.coverage])
            reach = np.array([(c.share - c.low, c.high - c.share) for c in one.coverage]).T
            ax.plot([0.4, 1], [0.4, 1], color=SOFT, lw=0.8)
            ax.errorbar(level, share, np.maximum(reach, 0.0), fmt="o", color=GREEN, ms=4.5, capsize=3, lw=1.2)
            ax.set_xticks(level, [f"{100 * x:g}" for x in level])
            ax.set_yticks(level, [f"{100 * x:g}" for x in level])
            ax.set_xlim(0.42, 1.0)
            ax.set_ylim(min(0.42, float(share.min()) - 0.08), 1.02)
            ax.set_title(one.output)
            ax.set_xlabel("stated (%)")
            ax.set_ylabel("held (%)")
        return svg(figure, "coverage of predictive intervals, stated against held, with 95 % intervals")
