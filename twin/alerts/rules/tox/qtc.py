"""A corrected QT interval above the model's limit now or ahead: of grade 3 above 500 ms, or 60 ms more than before.

Both limits are those of the NCI CTCAE v5.0 (2017). The level is the probability that the interval (or its change) is
above the limit now or that the highest of the forecast is.
"""

from __future__ import annotations

from twin.alerts.conditions.toxicity import watched
from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot, ToxicityView

RULE = "tox.qtc"
TITLE = "QTc prolonged"

SETTINGS = stated(
    "irreversible",
    "delayed",
    {
        "raise_above": Threshold(0.50, "1", assumed="more likely than not: a ward weighs it against a false alarm"),
        "clear_below": Threshold(0.30, "1", assumed="wider apart than the Monte-Carlo error"),
        "present": Threshold(0.50, "1", assumed="more likely than not, from when on the harm is there"),
    },
    when_absent="hold",
)
"""More likely than not (assumed). A torsade de pointes may kill: days ahead IEC 60601-1-8 has medium, and high once the
interval is so long."""

ADVICE = "Take an electrocardiogram; check potassium, magnesium, calcium, and other drugs that prolong the QT interval."


def chosen(view: ToxicityView) -> bool:
    """Every toxicity that rises and is of a QT interval."""
    return view.side == "above" and view.name.startswith("qt")


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every toxicity that is watched."""
    return watched(snapshot, RULE, settings_for(""), chosen, ADVICE)
