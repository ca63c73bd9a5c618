"""A toxicity that rises, of a kind that has no rule of its own: the output above the model's limit now or ahead.

The level is the probability that the output is above the limit now or that the highest of the forecast is. The limit
and its source are in the model file.
"""

from __future__ import annotations

from twin.alerts.conditions.toxicity import watched
from twin.alerts.finding import Finding
from twin.alerts.settings import Harm, RuleSettings, severity_of
from twin.alerts.snapshot import Snapshot, ToxicityView

RULE = "tox.rising"
TITLE = "Toxicity above its limit"

HARM: Harm = "reversible"

SETTINGS = RuleSettings(raise_above=0.50, clear_below=0.30, severity=severity_of(HARM, "delayed"), when_absent="hold")
"""More likely than not (assumed). Nothing is known of the harm but that the model file calls it a toxicity: taken to be
reversible (assumed)."""

ADVICE = "Measure it again; compare with the model file's limit; look for what else may raise it."


def chosen(view: ToxicityView) -> bool:
    """Every toxicity that rises and has no rule of its own."""
    return view.side == "above" and not view.name.startswith(("hypertension", "qt"))


def find(snapshot: Snapshot) -> tuple[Finding, ...]:
    """One finding for every toxicity that is watched."""
    return watched(snapshot, RULE, SETTINGS, HARM, chosen, ADVICE)
