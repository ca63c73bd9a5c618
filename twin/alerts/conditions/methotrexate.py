"""The lines of the glucarpidase consensus, and the probability that a patient's methotrexate is above them.

Ramsey 2018, Oncologist 23:52, doi 10.1634/theoncologist.2017-0243: after an infusion of at most 24 hours more than 30
umol/L at 36 hours from its start, 10 at 42 hours or 5 at 48 hours; after one of 36 to 42 hours 5 umol/L at 48 hours.
"""

from __future__ import annotations

from typing import NamedTuple

from twin.alerts.settings import RuleSettings, Threshold
from twin.alerts.snapshot import LevelView, Snapshot
from twin.events import Watched

DRUG, UNIT = "methotrexate", "umol/L"

HOURS = (36.0, 42.0, 48.0)
"""Hours from the start of the infusion at which there is a line."""

_SOURCE = "Ramsey 2018, doi 10.1634/theoncologist.2017-0243"

LINES = {
    "line_36h": Threshold(30.0, UNIT, source=_SOURCE),
    "line_42h": Threshold(10.0, UNIT, source=_SOURCE),
    "line_48h": Threshold(5.0, UNIT, source=_SOURCE),
    "short_infusion": Threshold(24.0, "h", source=_SOURCE),
}
"""What both rules of methotrexate share."""


class Crossing(NamedTuple):
    """The line that is most likely crossed, and how likely."""

    view: LevelView
    limit: float
    probability: float

    @property
    def watched(self) -> Watched:
        """The level at that hour, as it is believed to be."""
        q05, median, q95 = (self.view.quantiles[round(p * (len(self.view.quantiles) - 1))] for p in (0.05, 0.5, 0.95))
        what = f"{DRUG} at {self.view.hours:.0f} h"
        return Watched(what, UNIT, "above", self.limit, q05=q05, median=median, q95=q95)


def crossing(snapshot: Snapshot, settings: RuleSettings) -> Crossing | None:
    """The likeliest crossing of a line that lies ahead or is now; None where there is none."""
    found = []
    for view in snapshot.levels:
        name = f"line_{view.hours:.0f}h"
        longer = view.infused_hours > settings.number("short_infusion") + 0.5
        if view.drug != DRUG or view.unit != UNIT or name not in settings.thresholds or (longer and view.hours < 48):
            continue
        limit = settings.number(name)
        found.append(Crossing(view, limit, view.above(limit)))
    return max(found, key=lambda one: one.probability, default=None)
