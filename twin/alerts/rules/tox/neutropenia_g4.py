"""Grade 4 neutropenia now or ahead: neutrophils under 0.5 x 10^9/L (NCI CTCAE v5.0, 2017) within the forecast horizon.

The level is the probability that the count is of grade 4 now or that the lowest of the forecast is. A model whose
toxicity is of leukocytes is watched in the same way, and the alert names it; so is every other that falls.

Before the first counts the population alone puts many a patient at about even odds. So what is neither sure nor near
has to stand for days before it is said: until then counts and levels settle most of it.
"""

from __future__ import annotations

from dataclasses import replace

from twin.alerts.conditions.toxicity import watched
from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot, ToxicityView

RULE = "tox.neutropenia_g4"
TITLE = "Neutropenia grade 4"

_TRIAL = "chosen in dosetwin trial (docs/trial.md): 0.50 and 0.30 at once found fewer events, with more false alerts"

SETTINGS = stated(
    "irreversible",
    "delayed",
    {
        "raise_above": Threshold(0.45, "1", assumed=_TRIAL),
        "clear_below": Threshold(0.20, "1", assumed=_TRIAL),
        "raise_after": Threshold(5, "d", assumed="days before the nadir there is time to wait for what counts say"),
        "sure": Threshold(0.70, "1", assumed="from when on it is said at once, however far off"),
        "near": Threshold(5, "d", assumed="a worst this near is said at once; a median lead of four days is aimed at"),
        "band_1": Threshold(0.75, "1", assumed="three to one"),
        "band_2": Threshold(0.90, "1", assumed="nine to one"),
        "present": Threshold(0.50, "1", assumed="more likely than not, from when on the harm is there"),
    },
    when_absent="hold",
)
"""About even odds, once there is more than the population to go by; it escalates at three to one and at nine to one.
It may kill: days ahead IEC 60601-1-8 has medium, and high once the patient is in it."""

ADVICE = "Repeat the count before the nadir; look for fever and mucositis; consider growth factor, antibiotic cover."


def chosen(view: ToxicityView) -> bool:
    """Every toxicity that falls and has no rule of its own."""
    return view.side == "below" and not view.lasting_hours and not view.name.startswith("thrombocytopenia")


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every toxicity that is watched."""
    its = settings_for("")
    views = [view for view in snapshot.toxicities if chosen(view)]
    return tuple(
        replace(finding, urgent=finding.level >= its.number("sure") or view.day <= its.number("near"))
        for finding, view in zip(watched(snapshot, RULE, its, chosen, ADVICE), views, strict=True)
    )
