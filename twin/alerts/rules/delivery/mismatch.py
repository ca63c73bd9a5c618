"""A pump's counter tells another amount than its rates come to: what went in is not what it said that it gives.

The level is the difference between two readings over the larger of the two amounts, while it is in doubt when it went
in (`twin.timeline.pumps.mismatch`).
"""

from __future__ import annotations

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, severity_of, stated
from twin.alerts.snapshot import Snapshot
from twin.clock import HOUR_MS
from twin.events import Subject, Watched
from twin.units import AMOUNT_UNIT
from twin.wording import amount, say

RULE = "delivery.mismatch"
TITLE = "Counter and rate disagree"

SETTINGS = stated(
    "reversible",
    "delayed",
    {
        "raise_above": Threshold(0.10, "1", assumed="twice the error of an infusion pump"),
        "clear_below": Threshold(0.05, "1", source="accuracy of pumps: doi 10.1097/NAN.0000000000000530"),
        "gross": Threshold(0.5, "1", assumed="from half of it on the harm begins promptly"),
    },
)
"""The twin goes by the counter, so that what it says of exposure holds; why the two differ has to be found."""

ADVICE = "Compare counter, rate and bag at the pump; look at the concentration that it was told, and at its log."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding while a stretch is in doubt."""
    view = snapshot.counter
    if view is None:
        return ()
    its = settings_for(view.drug)
    level = abs(view.counted - view.said) / max(view.counted, view.said)
    return (
        Finding(
            rule=RULE,
            subject=Subject("device", view.device),
            level=level,
            severity=severity_of("reversible", "prompt") if level >= its.number("gross") else its.severity,
            words=say(
                "mismatch.counted",
                "{drug}: the counter of {device} rose by {counted} in {time}, in which its rates come to {said}.",
                drug=view.drug,
                device=view.device,
                counted=amount(f"{view.counted:.4g}", AMOUNT_UNIT),
                time=amount(f"{(view.until_ms - view.since_ms) / HOUR_MS:.3g}", "h"),
                said=amount(f"{view.said:.4g}", AMOUNT_UNIT),
            ),
            newest_ms=view.until_ms,
            episode_ms=view.since_ms,
            ending=say("mismatch.over", "{drug}: when it went in does not matter any more.", drug=view.drug),
            advice=ADVICE,
            settings=its,
            quantity=Watched(f"{view.drug}, by the counter", AMOUNT_UNIT, None, view.said, view.counted),
        ),
    )
