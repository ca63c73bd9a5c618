"""A device that is bound to the patient has fallen silent, so the twin rests on older data than it seems.

The level is the silence over the silence allowed, `MISSED` expected intervals but at least `LEAST_MS`, in event time.
The onset is the moment the allowance ran out, whenever somebody looked. It clears when the device speaks again or is
released. A device that never promised an interval may be silent.
"""

from __future__ import annotations

from twin.alerts import Finding, RuleSettings
from twin.snapshot import HOUR_MS, MINUTE_MS, Snapshot

RULE = "data.dropout"

SETTINGS = RuleSettings(raise_above=1.0, clear_below=0.99, severity="low", when_absent="clear")
"""A technical, advisory alert (IEC 60601-1-8: delayed, minor): the silence itself is exact, so the gap is nominal."""

MISSED = 3
"""Expected words that may go missing: one is jitter, two are a reconnect (assumed)."""

LEAST_MS = 15 * MINUTE_MS
"""Least silence that counts, for devices that speak every few seconds (assumed: a walk out of radio range)."""


def find(snapshot: Snapshot) -> tuple[Finding, ...]:
    """One finding for every bound device that promised an interval."""
    found = []
    for device in snapshot.devices:
        if not device.associated or device.expected_every_ms is None:
            continue
        allowed = max(MISSED * device.expected_every_ms, LEAST_MS)
        silent = max(0, snapshot.time_ms - device.last_seen_ms)
        found.append(
            Finding(
                rule=RULE,
                subject=device.device_id,
                level=silent / allowed,
                severity=SETTINGS.severity,
                text=(
                    f"Device {device.device_id} {'silent for' if silent > allowed else 'last heard'} {_span(silent)}"
                    f"{'' if silent > allowed else ' ago'}; expected every {_span(device.expected_every_ms)}."
                ),
                freshness_hours=silent / HOUR_MS,
                began_ms=device.last_seen_ms + allowed,
            )
        )
    return tuple(found)


def _span(millis: int) -> str:
    return f"{millis / MINUTE_MS:.3g} min" if millis < 2 * HOUR_MS else f"{millis / HOUR_MS:.3g} h"
