"""Blood pressure above the model's limit now or ahead: of grade 3 from 160 or 100 mmHg on (NCI CTCAE v5.0, 2017).

The level is the probability that the pressure is above the limit now or that the highest of the forecast is.
"""

from __future__ import annotations

from twin.alerts.conditions.toxicity import watched
from twin.alerts.finding import Finding
from twin.alerts.settings import Harm, RuleSettings, severity_of
from twin.alerts.snapshot import Snapshot, ToxicityView
from twin.clock import HOUR_MS

RULE = "tox.hypertension"
TITLE = "Hypertension"

HARM: Harm = "reversible"

SETTINGS = RuleSettings(
    raise_above=0.50,
    clear_below=0.30,
    severity=severity_of(HARM, "delayed"),
    when_absent="hold",
    raise_after_ms=HOUR_MS,
)
"""More likely than not for an hour, as version 6.0 of the CTCAE asks it to persist (assumed for 5.0). The injury is
reversible if it is treated in time: IEC 60601-1-8."""

ADVICE = "Repeat the reading at rest, with a cuff of the right size; consider to treat it or to pause the drug."


def chosen(view: ToxicityView) -> bool:
    """Every toxicity that rises and is called a hypertension."""
    return view.side == "above" and view.name.startswith("hypertension")


def find(snapshot: Snapshot) -> tuple[Finding, ...]:
    """One finding for every toxicity that is watched."""
    return watched(snapshot, RULE, SETTINGS, HARM, chosen, ADVICE)
