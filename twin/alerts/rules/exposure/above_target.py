"""More exposure than the target window asks for.

The level is the probability that the exposure (of a course, of a day, a trough, a time above a level) lies above the
model's target window once it is complete; the window's source is in the model file. Until then it is a prediction.
"""

from __future__ import annotations

from twin.alerts.conditions.exposure_window import beyond
from twin.alerts.finding import Finding
from twin.alerts.settings import RuleSettings
from twin.alerts.snapshot import Snapshot
from twin.clock import MINUTE_MS

RULE = "exposure.above_target"
TITLE = "Exposure above target"

SETTINGS = RuleSettings(
    raise_above=0.80, clear_below=0.60, severity="medium", raise_after_ms=30 * MINUTE_MS, when_absent="hold"
)
"""Four to one, for half an hour (assumed): before the first level the prior alone puts about every second patient
outside a window of usual width, and that is no news. Onset of harm (toxicity) is delayed: IEC 60601-1-8 medium."""


def find(snapshot: Snapshot) -> tuple[Finding, ...]:
    """One finding for every exposure with a limit above."""
    return beyond(snapshot, RULE, SETTINGS, "above")
