"""A count that stays low for long: neutrophils under 0.5 x 10^9/L for 7 days, or as the model file says.

The level is the probability that the count is under its limit for so long in a row, what has passed of it included. An
infection becomes likelier with every such day (Bodey 1966, Ann Intern Med 64:328), and from a week on the patient
counts as of high risk (Freifeld 2011, Clin Infect Dis 52:e56).
"""

from __future__ import annotations

from twin.alerts.conditions.toxicity import watched
from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot, ToxicityView

RULE = "tox.neutropenia_prolonged"
TITLE = "Prolonged neutropenia"

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
"""More likely than not (assumed). It may kill, and later than a short one: IEC 60601-1-8."""

ADVICE = "Look for fever and infection daily; consider growth factor, antibiotic and antifungal cover."


def chosen(view: ToxicityView) -> bool:
    """Every toxicity that falls and has to last."""
    return view.side == "below" and view.lasting_hours > 0


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every toxicity that is watched."""
    return watched(snapshot, RULE, settings_for(""), chosen, ADVICE)
