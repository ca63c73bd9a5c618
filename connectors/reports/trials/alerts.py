"""The page of a trial: what warnings and probabilities were worth, in figures and drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from markupsafe import Markup

from connectors.reports.drawing import drawing, svg
from connectors.reports.pages import page
from twin.figure.axes import title
from twin.figure.style import BLUE, ORANGE, SOFT
from twin.trial.figures import Worth
from twin.trial.pump_faults import AsPlanned, FaultFound, spread
from twin.trial.reliability import Reliability

NAMES = {
    "twin": "the twin",
    "low_count": "newest count under twice the limit",
    "calendar": "everyone, 12 days after each dose",
    "before": "who was under the limit in the course before",
}
"""What a page calls those who warn."""


class Trial(Protocol):
    """What a page reads of a trial."""

    @property
    def settings(self) -> Mapping[str, object]: ...
    @property
    def worths(self) -> Sequence[Worth]: ...
    @property
    def reliability(self) -> Sequence[Reliability]: ...
    @property
    def faults(self) -> Sequence[FaultFound]: ...
    @property
    def planned(self) -> AsPlanned: ...


def trial_page(found: Trial) -> str:
    """A trial as a page that asks nothing of anyone."""
    return page(
        "trial.html",
        found=found,
        names=NAMES,
        spread=spread,
        settings=settings_of(found.settings),
        worth_drawing=_worth_drawing(found.worths) if found.worths else "",
        reliability_drawing=reliability_drawing(found.reliability) if found.reliability else "",
    )


def settings_of(settings: Mapping[str, object]) -> list[tuple[str, str]]:
    """Settings of a trial as a page names and tells them."""
    return [(name.replace("_", " "), _told(value)) for name, value in settings.items()]


def _told(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_told(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_told, value)) or "none"
    return "as the model has it" if value is None else str(value)


def _worth_drawing(worths: Sequence[Worth]) -> Markup:
    """A panel for each figure, a row for each way of warning."""
    count = len(worths[0].measures)
    with drawing(count, columns=2, panel=(4.4, 0.6 + 0.32 * len(worths))) as (figure, axes):
        for k, ax in enumerate(axes):
            for row, one in enumerate(worths):
                measure = one.measures[k]
                if np.isfinite(measure.value):
                    ax.plot([measure.low, measure.high], [row, row], color=BLUE if row == 0 else SOFT, lw=1.2)
                    ax.plot(measure.value, row, "o", color=BLUE if row == 0 else SOFT, ms=5)
            ax.set_yticks(range(len(worths)), [NAMES.get(one.name, one.name) for one in worths])
            ax.set_ylim(len(worths) - 0.5, -0.5)
            ax.set_xlim(left=0)
            title(ax, worths[0].measures[k].name)
        return svg(figure, "figures of the twin's warnings beside plain rules, with 90 % intervals")


def reliability_drawing(found: Sequence[Reliability]) -> Markup:
    """A panel for each kind of probability: bins with their bands."""
    with drawing(len(found), columns=3, panel=(3.2, 3.0)) as (figure, axes):
        for ax, one in zip(axes, found, strict=True):
            ax.plot([0, 1], [0, 1], color=SOFT, lw=0.8)
            for each in one.bins:
                if not each.judged:
                    continue
                ax.plot([each.stated, each.stated], [each.low, each.high], color=SOFT, lw=5, alpha=0.25)
                ax.plot(each.stated, each.came, "o", color=BLUE if each.held else ORANGE, ms=5)
            ax.set_xlim(-0.03, 1.03)
            ax.set_ylim(-0.03, 1.03)
            title(ax, one.what)
            ax.set_xlabel("stated")
            ax.set_ylabel("came true")
        return svg(figure, "stated probabilities against the share that came true, with the band of each")
