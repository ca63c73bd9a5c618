"""The page of a trial of doses or of lines: what every arm reached by cycle, and how good the stated odds were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from markupsafe import Markup

from connectors.reports.drawing import drawing, svg
from connectors.reports.pages import page
from connectors.reports.trials.alerts import reliability_drawing, settings_of
from twin.figure.axes import title
from twin.figure.style import BLUE, GREEN, INK, ORANGE, PINK, SOFT
from twin.trial.doses.figures import ArmFigures
from twin.trial.doses.roc import Discrimination
from twin.trial.reliability import Reliability

NAMES = {
    "protocol": "as planned",
    "published": "the published rule",
    "mode": "by the posterior mode",
    "twin": "the twin's advice",
    "horizon": "planned over the courses that are left",
    "known": "who the patient is were known (ceiling)",
}
"""What a page calls the arms."""

COLOURS = {"protocol": INK, "published": ORANGE, "mode": GREEN, "twin": BLUE, "horizon": BLUE, "known": PINK}
LINES = {"horizon": ":", "known": "--"}
"""Of the arms that are not drawn as a whole line."""


class DoseTrial(Protocol):
    """What a page reads of a trial of doses."""

    @property
    def settings(self) -> Mapping[str, object]: ...
    @property
    def arms(self) -> Sequence[ArmFigures]: ...
    @property
    def reliability(self) -> Sequence[Reliability]: ...
    @property
    def discriminations(self) -> Sequence[Discrimination]: ...


def dose_trial_page(found: DoseTrial) -> str:
    """A trial of doses as a page that asks nothing of anyone."""
    return page(
        "dose_trial.html",
        found=found,
        names=NAMES,
        settings=settings_of(found.settings),
        arms_drawing=_arms_drawing(found.arms) if found.arms else "",
        reliability_drawing=reliability_drawing(found.reliability) if found.reliability else "",
    )


def _arms_drawing(arms: Sequence[ArmFigures]) -> Markup:
    """A panel for each figure, a line through the cycles for each arm."""
    asked = [measure.name for measure in arms[0].all_cycles]
    with drawing(len(asked), columns=2, panel=(4.4, 2.6)) as (figure, axes):
        for ax, name in zip(axes, asked, strict=True):
            for shift, arm in enumerate(arms):
                known = [next(m for m in cycle if m.name == name) for cycle in arm.cycles]
                at = np.arange(1, len(known) + 1) + 0.06 * (shift - len(arms) / 2)
                colour, style = COLOURS.get(arm.arm, SOFT), LINES.get(arm.arm, "-")
                ax.plot(at, [m.value for m in known], style, marker="o", color=colour, ms=4, label=NAMES[arm.arm])
                for x, m in zip(at, known, strict=True):
                    ax.plot([x, x], [m.low, m.high], color=colour, lw=1.0)
            ax.set_ylim(bottom=0)
            ax.set_xticks(range(1, len(arms[0].cycles) + 1))
            ax.set_xlabel("cycle")
            title(ax, name)
        axes[0].legend(fontsize=7)
        return svg(figure, "figures of every arm by cycle, with 90 % intervals")
