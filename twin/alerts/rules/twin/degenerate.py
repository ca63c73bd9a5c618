"""Hardly any particle explains the patient's data: probabilities are hardly known, whatever they are.

The level is the share of particles that may count at least over the share that do: above 1 too few are left.
"""

from __future__ import annotations

from functools import partial

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot
from twin.events import Subject
from twin.wording import Said, say

RULE = "twin.degenerate"
TITLE = "Too few particles"

SETTINGS = stated(
    "reversible",
    "delayed",
    {
        "raise_above": Threshold(1.0, "1", assumed="fewer than the least share count"),
        "clear_below": Threshold(0.5, "1", assumed="twice the least share count again"),
        "raise_after": Threshold(1, "h", assumed="the next value may mend it"),
        "least_share": Threshold(0.01, "1", assumed="of 1,000 particles 10: a probability is known to 0.16"),
    },
    when_absent="hold",
)
"""What the twin says of this patient is held, and may be missed: no harm by itself."""

ADVICE = "Check the last values, their units and times; a twin of more particles may be made anew."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding where it is known how many particles there are."""
    its = settings_for("")
    if not snapshot.particles:
        return ()
    least = its.number("least_share") * snapshot.particles
    return (
        Finding(
            rule=RULE,
            subject=Subject("patient", snapshot.patient_id),
            level=least / snapshot.ess,
            severity=its.severity,
            words=partial(_text, snapshot.particles, snapshot.ess),
            newest_ms=snapshot.last_observation_ms,
            advice=ADVICE,
            settings=its,
        ),
    )


def _text(particles: int, ess: float) -> Said:
    return say(
        "degenerate.few", "Of {n} particles {ess} count: probabilities are hardly known.",
        n=particles, ess=float(f"{ess:.2g}"),
    )  # fmt: skip
