"""The page of a study of virtual patients: what each arm came to, how arms differ, and how often a trial sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from markupsafe import Markup

from connectors.reports.drawing import drawing, svg
from connectors.reports.pages import page
from connectors.reports.trials.alerts import settings_of
from twin.figure.axes import title
from twin.figure.style import BLUE, INK
from twin.virtual.comparison import Compared


class VirtualStudy(Protocol):
    """What a page reads of a study."""

    @property
    def settings(self) -> Mapping[str, object]: ...
    @property
    def compared(self) -> Sequence[Compared]: ...


def virtual_study_page(found: VirtualStudy) -> str:
    """A study as a page that asks nothing of anyone."""
    return page(
        "virtual_study.html",
        found=found,
        settings=settings_of(found.settings),
        values_drawing=_values_drawing(found.compared),
        power=any(one.power is not None for one in found.compared),
    )


def _values_drawing(compared: Sequence[Compared]) -> Markup:
    """A panel for each endpoint, a row for each arm."""
    endpoints = list(dict.fromkeys(one.endpoint for one in compared))
    arms = list(dict.fromkeys(one.arm for one in compared))
    with drawing(len(endpoints), columns=2, panel=(4.4, 0.7 + 0.35 * len(arms))) as (figure, axes):
        for ax, endpoint in zip(axes, endpoints, strict=True):
            for row, one in enumerate(each for each in compared if each.endpoint == endpoint):
                if np.isfinite(one.value.value):
                    colour = INK if row == 0 else BLUE
                    ax.plot([one.value.low, one.value.high], [row, row], color=colour, lw=1.2)
                    ax.plot(one.value.value, row, "o", color=colour, ms=5)
            ax.set_yticks(range(len(arms)), arms)
            ax.set_ylim(len(arms) - 0.5, -0.5)
            title(ax, endpoint)
        return svg(figure, "every endpoint in every arm, with 90 % intervals")
