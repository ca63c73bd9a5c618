"""More exposure than the target window asks for.

The level is the probability that the area under the concentration curve at the end of the course lies above the
model's target window (whose source is in the model file). During the course it is a prediction, afterwards a finding.
"""

from __future__ import annotations

from twin.alerts.lifecycle import Finding, RuleSettings
from twin.alerts.snapshot import Snapshot
from twin.clock import MINUTE_MS
from twin.events import Subject

RULE = "exposure.above_target"
TITLE = "Exposure above target"

SETTINGS = RuleSettings(
    raise_above=0.80, clear_below=0.60, severity="medium", raise_after_ms=30 * MINUTE_MS, when_absent="hold"
)
"""Four to one, for half an hour (assumed): before the first level the prior alone puts about every second patient
outside a window of usual width, and that is no news. Onset of harm (toxicity) is delayed: IEC 60601-1-8 medium."""


def find(snapshot: Snapshot) -> tuple[Finding, ...]:
    """One finding for every exposure with a target."""
    return tuple(
        Finding(
            rule=RULE,
            subject=Subject("target", view.target),
            level=view.p_above,
            severity=SETTINGS.severity,
            text=(
                f"{view.drug}: exposure {'expected to end' if view.running else 'of the course'} above "
                f"{view.target_high:.4g} {view.unit} with probability {view.p_above:.0%} "
                f"(median {view.at_end_median:.3g}, target {view.target_low:.4g} to {view.target_high:.4g})."
            ),
            probabilistic=True,
            newest_ms=snapshot.last_observation_ms,
        )
        for view in snapshot.exposures
    )
