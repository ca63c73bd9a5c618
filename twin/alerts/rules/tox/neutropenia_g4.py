"""Grade 4 neutropenia now or ahead: neutrophils under 0.5 x 10^9/L (NCI CTCAE v5.0, 2017) within the forecast horizon.

The level is the probability that the count is of grade 4 now or that the lowest of the forecast is. A model whose
toxicity is of leukocytes is watched in the same way, and the alert names it; so is every other that falls.

When to say it is a matter of what waiting costs. Days before the nadir it costs nothing: before the first counts the
population alone puts many a patient at about even odds, and counts and levels settle most of it. So what is neither
sure nor near has to stand for days before it is said. Near the nadir there is little left to wait for, and what counts
is the harm: it is said from where a miss is expected to cost as much as a false alert.
"""

from __future__ import annotations

from twin.alerts.conditions.toxicity import watched
from twin.alerts.finding import Finding
from twin.alerts.settings import RuleSettings, SettingsFor, Threshold, changed, stated
from twin.alerts.snapshot import Snapshot, ToxicityView

RULE = "tox.neutropenia_g4"
TITLE = "Neutropenia grade 4"

_HARM = "a missed grade 4 is held to be three times as bad as a false alert: worth saying from one in four"

SETTINGS = stated(
    "irreversible",
    "delayed",
    {
        "raise_above": Threshold(0.50, "1", assumed="more likely than not, days ahead"),
        "clear_below": Threshold(0.25, "1", assumed="three to one that it does not come"),
        "raise_near": Threshold(0.25, "1", assumed=_HARM),
        "clear_near": Threshold(0.10, "1", assumed="nine to one that it does not come; at 0.20 some came after all"),
        "raise_after": Threshold(5, "d", assumed="days before the nadir there is time to wait for what counts say"),
        "sure": Threshold(0.75, "1", assumed="three to one, from when on it is said at once, however far off"),
        "near": Threshold(3, "d", assumed="days in which two or three daily counts are still to come at most"),
        "band_1": Threshold(0.75, "1", assumed="three to one"),
        "band_2": Threshold(0.90, "1", assumed="nine to one"),
        "present": Threshold(0.50, "1", assumed="more likely than not, from when on the harm is there"),
    },
    when_absent="hold",
)
"""What comes of these numbers is told in docs/trial.md. It may kill: days ahead IEC 60601-1-8 has medium, and high once
the patient is in it."""

ADVICE = "Repeat the count before the nadir; look for fever and mucositis; consider growth factor, antibiotic cover."


def chosen(view: ToxicityView) -> bool:
    """Every toxicity that falls and has no rule of its own."""
    return view.side == "below" and not view.lasting_hours and not view.name.startswith("thrombocytopenia")


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every toxicity that is watched."""
    its = settings_for("")

    def judged_by(view: ToxicityView, level: float) -> tuple[RuleSettings, bool]:
        if view.day <= its.number("near"):
            near = {"raise_above": its.thresholds["raise_near"], "clear_below": its.thresholds["clear_near"]}
            return changed(its, near), True
        return its, level >= its.number("sure")

    return watched(snapshot, RULE, its, chosen, ADVICE, judged_by)
