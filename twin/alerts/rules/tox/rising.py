"""A toxicity that rises, of a kind that has no rule of its own: the output above the model's limit now or ahead.

The level is the probability that the output is above the limit now or that the highest of the forecast is. The limit
and its source are in the model file.
"""

from __future__ import annotations

from twin.alerts.conditions.toxicity import watched
from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot, ToxicityView

RULE = "tox.rising"
TITLE = "Toxicity above its limit"

SETTINGS = stated(
    "reversible",
    "delayed",
    {
        "raise_above": Threshold(0.50, "1", assumed="more likely than not: a ward weighs it against a false alarm"),
        "clear_below": Threshold(0.30, "1", assumed="wider apart than the Monte-Carlo error"),
        "present": Threshold(0.50, "1", assumed="more likely than not, from when on the harm is there"),
    },
    when_absent="hold",
)
"""More likely than not (assumed). Nothing is known of the harm but that the model file calls it a toxicity: taken to be
reversible (assumed)."""

ADVICE = "Measure it again; compare with the model file's limit; look for what else may raise it."


def chosen(view: ToxicityView) -> bool:
    """Every toxicity that rises and has no rule of its own."""
    return view.side == "above" and not view.name.startswith(("hypertension", "qt"))


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every toxicity that is watched."""
    return watched(snapshot, RULE, settings_for(""), chosen, ADVICE)
