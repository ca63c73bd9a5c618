"""A device's clock is wrong: what it says is placed by a right clock, as far as that is known, until somebody sets it.

The level is how many minutes the device's clock is off (`twin.devices.clock`), by the newest word of the device that
says so. The next word of a pump by a right clock clears it, and of a wearable the next that says that it is right.
"""

from __future__ import annotations

from functools import partial

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, severity_of, stated
from twin.alerts.snapshot import Snapshot
from twin.clock import HOUR_MS, MINUTE_MS
from twin.events import Subject
from twin.wording import Said, amount, say

RULE = "data.clock"
TITLE = "Clock of a device is wrong"

SETTINGS = stated(
    "minor",
    "delayed",
    {
        "raise_above": Threshold(5, "min", assumed="HL7 feeds doubt a clock from five minutes on"),
        "clear_below": Threshold(2, "min", assumed="a clock that is off by less is left alone"),
        "gross": Threshold(60, "min", assumed="what is read off the device is an hour out of place"),
        "zone": Threshold(3, "min", assumed="so near to whole hours it is the time zone"),
    },
    when_absent="hold",
)
"""What the device says is mended; what somebody reads off it, and its own alarms and programs, are not."""


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every device whose clock was ever off."""
    found, its = [], settings_for("")
    for view in snapshot.clocks:
        off = abs(view.behind) / 60
        gross = off >= its.number("gross")
        zone = gross and abs(off - 60 * round(off / 60)) <= its.number("zone")
        set_it = "Set the clock of the device" + (", and its time zone" if zone else "")
        found.append(
            Finding(
                rule=RULE,
                subject=Subject("device", view.device),
                level=off,
                severity=severity_of("reversible", "prompt") if gross else its.severity,
                words=partial(_text, view.device, view.behind, its.clear_below),
                newest_ms=view.since_ms,
                began_ms=view.since_ms,
                stage=str(_span(view.behind)),
                advice=f"{set_it}; check times that were read off it.",
                settings=its,
            )
        )
    return tuple(found)


def _text(device: str, behind: float, little: float) -> Said:
    if abs(behind) < 60 * little:
        return say("clock.right", "The clock of {device} is right.", device=device)
    if behind > 0:
        return say(
            "clock.behind", "The clock of {device} is {time} behind; what it says is placed by a right clock.",
            device=device, time=_span(behind),
        )  # fmt: skip
    return say(
        "clock.ahead", "The clock of {device} is {time} ahead; what it says is placed by a right clock.",
        device=device, time=_span(behind),
    )  # fmt: skip


def _span(seconds: float) -> Said:
    millis = 1000 * abs(seconds)
    if millis < 2 * HOUR_MS:
        return amount(f"{millis / MINUTE_MS:.3g}", "min")
    return amount(f"{millis / HOUR_MS:.3g}", "h")
