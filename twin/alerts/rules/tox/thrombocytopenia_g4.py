"""Grade 4 thrombocytopenia now or ahead: platelets under 25 x 10^9/L (NCI CTCAE v5.0) within the forecast horizon.

The level is the probability that the count is of grade 4 now or that the lowest of the forecast is.
"""

from __future__ import annotations

from twin.alerts.conditions.toxicity import watched
from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot, ToxicityView

RULE = "tox.thrombocytopenia_g4"
TITLE = "Thrombocytopenia grade 4"

SETTINGS = stated(
    "irreversible",
    "delayed",
    {
        "raise_above": Threshold(0.50, "1", assumed="more likely than not: a ward weighs it against a false alarm"),
        "clear_below": Threshold(0.30, "1", assumed="wider apart than the Monte-Carlo error"),
        "band_1": Threshold(0.75, "1", assumed="three to one"),
        "band_2": Threshold(0.90, "1", assumed="nine to one"),
        "present": Threshold(0.50, "1", assumed="more likely than not, from when on the harm is there"),
    },
    when_absent="hold",
)
"""More likely than not (assumed), as `tox.neutropenia_g4`. A bleeding may kill: days ahead IEC 60601-1-8 has medium,
and high once the patient is in it."""

ADVICE = "Repeat the platelets; look for bleeding; hold what impairs clotting; consider a transfusion."


def chosen(view: ToxicityView) -> bool:
    """Every toxicity that falls and is called a thrombocytopenia."""
    return view.side == "below" and not view.lasting_hours and view.name.startswith("thrombocytopenia")


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every toxicity that is watched."""
    return watched(snapshot, RULE, settings_for(""), chosen, ADVICE)
