"""More exposure than the target window asks for.

The level is the probability that the exposure (of a course, of a day, a trough, a time above a level) lies above the
model's target window once it is complete; the window's source is in the model file. Until then it is a prediction.
"""

from __future__ import annotations

from twin.alerts.conditions.exposure_window import beyond
from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot

RULE = "exposure.above_target"
TITLE = "Exposure above target"

SETTINGS = stated(
    "reversible",
    "prompt",
    {
        "raise_above": Threshold(0.80, "1", assumed="four to one: the prior alone puts every second patient outside"),
        "clear_below": Threshold(0.60, "1", assumed="three to two, wider apart than the Monte-Carlo error"),
        "raise_after": Threshold(30, "min", assumed="a course that has just begun is no news"),
    },
    when_absent="hold",
    inhibited_by=("delivery.overinfusion",),
)
"""A dose can still be changed while the course runs, so that the harm, which is reversible, counts as prompt. While the
pump gives too much of the drug, that is the cause, and the pump is what has to be seen to."""

ADVICE = "See what the twin advises for the next dose; check the level and when it was drawn; watch for toxicity."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every exposure with a limit above."""
    return beyond(snapshot, RULE, settings_for, "above", ADVICE)
