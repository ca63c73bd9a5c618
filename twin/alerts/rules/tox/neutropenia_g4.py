"""Grade 4 neutropenia now or ahead: neutrophils under 0.5 x 10^9/L (NCI CTCAE v5.0, 2017) within the forecast horizon.

The level is the probability that the count is of grade 4 now or that the lowest of the forecast is. A model whose
toxicity is of leukocytes is watched in the same way, and the alert names it; so is every other that falls.
"""

from __future__ import annotations

from twin.alerts.conditions.toxicity import watched
from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot, ToxicityView

RULE = "tox.neutropenia_g4"
TITLE = "Neutropenia grade 4"

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
"""More likely than not (assumed; the ward weighs a missed nadir against a false alarm); it escalates at three to one
and at nine to one (assumed). It may kill: days ahead IEC 60601-1-8 has medium, and high once the patient is in it."""

ADVICE = "Repeat the count before the nadir; look for fever and mucositis; consider growth factor, antibiotic cover."


def chosen(view: ToxicityView) -> bool:
    """Every toxicity that falls and has no rule of its own."""
    return view.side == "below" and not view.lasting_hours and not view.name.startswith("thrombocytopenia")


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every toxicity that is watched."""
    return watched(snapshot, RULE, settings_for(""), chosen, ADVICE)
