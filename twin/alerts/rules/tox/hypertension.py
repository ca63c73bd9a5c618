"""Blood pressure above the model's limit now or ahead: of grade 3 from 160 or 100 mmHg on (NCI CTCAE v5.0, 2017).

The level is the probability that the pressure is above the limit now or that the highest of the forecast is.
"""

from __future__ import annotations

from twin.alerts.conditions.toxicity import watched
from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot, ToxicityView

RULE = "tox.hypertension"
TITLE = "Hypertension"

SETTINGS = stated(
    "reversible",
    "delayed",
    {
        "raise_above": Threshold(0.50, "1", assumed="more likely than not: a ward weighs it against a false alarm"),
        "clear_below": Threshold(0.30, "1", assumed="wider apart than the Monte-Carlo error"),
        "raise_after": Threshold(1, "h", source="CTCAE v6.0: persisting over 1 hour", assumed="for v5.0 as well"),
        "present": Threshold(0.50, "1", assumed="more likely than not, from when on the harm is there"),
    },
    when_absent="hold",
)
"""More likely than not for an hour, as version 6.0 of the CTCAE asks it to persist (assumed for 5.0). The injury is
reversible if it is treated in time: IEC 60601-1-8."""

ADVICE = "Repeat the reading at rest, with a cuff of the right size; consider to treat it or to pause the drug."


def chosen(view: ToxicityView) -> bool:
    """Every toxicity that rises and is called a hypertension."""
    return view.side == "above" and view.name.startswith("hypertension")


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every toxicity that is watched."""
    return watched(snapshot, RULE, settings_for(""), chosen, ADVICE)
