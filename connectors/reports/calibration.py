"""The page of one model's calibration, and the page that leads to all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from connectors.reports.curves import population_drawing
from connectors.reports.drawing import drawing, svg
from connectors.reports.pages import page
from connectors.reports.uniform import uniform_drawing
from twin.clock import UNIT_MS
from twin.figure.axes import title
from twin.figure.style import GREEN, SOFT
from twin.model.spec import Model
from twin.study.calibration import COVERAGE, FALSE_ALARM, Calibration, Foreseen
from twin.study.design import Design
from twin.study.population import Outlook
from twin.timeline.regimen import ORIGIN


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
        rank_drawing=uniform_drawing(found.ranks, found.alpha, "rank of the truth"),
        pit_drawing=uniform_drawing(found.pit, found.alpha, "PIT"),
        coverage_drawing=_coverage_drawing(found.foreseen),
    )


def index_page(found: Sequence[Calibration], failed: Sequence[tuple[str, str]] = ()) -> str:
    """All models with their verdicts, linked to their pages; ``failed`` could not be followed, for the reason given."""
    rows = sorted(found, key=lambda one: one.model)
    return page("index.html", found=rows, failed=failed, levels=COVERAGE, false_alarm=FALSE_ALARM)


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
            title(ax, one.output)
            ax.set_xlabel("stated (%)")
            ax.set_ylabel("held (%)")
        return svg(figure, "coverage of predictive intervals, stated against held, with 95 % intervals")
