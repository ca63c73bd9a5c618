"""Grade 4 neutropenia now or ahead: neutrophils under 0.5 x 10^9/L (NCI CTCAE v5.0, 2017) within the forecast horizon.

The level is the probability that the count is of grade 4 now or that the lowest of the forecast is. A model whose
toxicity is of leukocytes is watched in the same way, and the alert names it; so is every other that falls.
"""

from __future__ import annotations

from twin.alerts.conditions.toxicity import watched
from twin.alerts.finding import Finding
from twin.alerts.settings import Harm, RuleSettings, severity_of
from twin.alerts.snapshot import Snapshot, ToxicityView

RULE = "tox.neutropenia_g4"
TITLE = "Neutropenia grade 4"

HARM: Harm = "irreversible"

SETTINGS = RuleSettings(
    raise_above=0.50, clear_below=0.30, severity=severity_of(HARM, "delayed"), when_absent="hold", bands=(0.75, 0.9)
)
"""More likely than not (assumed; the ward weighs a missed nadir against a false alarm); it escalates at three to one
and at nine to one (assumed). It may kill: days ahead IEC 60601-1-8 has medium, and high once the patient is in it."""

ADVICE = "Repeat the count before the nadir; look for fever and mucositis; consider growth factor, antibiotic cover."


def chosen(view: ToxicityView) -> bool:
    """Every toxicity that falls and has no rule of its own."""
    return view.side == "below" and not view.lasting_hours and not view.name.startswith("thrombocytopenia")


def find(snapshot: Snapshot) -> tuple[Finding, ...]:
    """One finding for every toxicity that is watched."""
    return watched(snapshot, RULE, SETTINGS, HARM, chosen, ADVICE)
