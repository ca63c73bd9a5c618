"""A device that is bound to the patient has fallen silent, so the twin rests on older data than it seems.

The level is the silence over the silence allowed, some expected intervals but at least a spell, in event time;
0 within the allowance. The onset is the moment the allowance ran out, whenever it was noticed. It clears when the
device reports again or is released. A device that never promised an interval may be silent. How long the silence is,
is said in steps that double, so that readings which come late change what is said only where they matter.
"""

from __future__ import annotations

from functools import partial

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import Snapshot
from twin.clock import HOUR_MS, MINUTE_MS
from twin.events import Subject, Watched
from twin.record.contact import SPELL_MS
from twin.record.orders import DeviceView
from twin.wording import Said, amount, say

RULE = "data.dropout"
TITLE = "No data"

SETTINGS = stated(
    "minor",
    "delayed",
    {
        "raise_above": Threshold(1.0, "1", assumed="the silence is as long as what is allowed"),
        "clear_below": Threshold(0.99, "1", assumed="the silence itself is exact, so the gap is nominal"),
        "missed": Threshold(3, "1", assumed="expected reports that may go missing: one is jitter, two a reconnect"),
        "least": Threshold(SPELL_MS / MINUTE_MS, "min", assumed="a walk out of radio range"),
    },
    when_absent="hold",
    of_silence=True,
)
"""Silence over the silence allowed: ``missed`` intervals, but at least ``least``."""

ADVICE = "Look whether the device is worn, charged and in range; bind another one, or release it."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every device that is or was bound."""
    found, its = [], settings_for("")
    missed, least = its.number("missed"), round(its.number("least") * MINUTE_MS)
    for device in snapshot.devices:
        every = device.expected_every_ms
        about = Subject("device", device.device_id)
        if not device.associated or every is None:
            text = say("dropout.maybe", "Device {device} may be silent.", device=device.device_id)
            if not device.associated:
                text = say("dropout.released", "Device {device} is released.", device=device.device_id)
            found.append(Finding(RULE, about, 0.0, its.severity, text))
            continue
        allowed = max(round(missed * every), least)
        silent = max(0, snapshot.time_ms - device.last_seen_ms)
        found.append(
            Finding(
                rule=RULE,
                subject=about,
                level=silent / allowed if silent > allowed else 0.0,
                severity=its.severity,
                words=partial(_text, device, silent, allowed),
                newest_ms=device.last_seen_ms if silent > allowed else None,
                began_ms=device.last_seen_ms + allowed,
                stage=str(_span(_step_below(silent, allowed))) if silent > allowed else "",
                advice=ADVICE,
                settings=its,
                quantity=partial(Watched, "silence", "min", "above", allowed / MINUTE_MS, silent / MINUTE_MS),
            )
        )
    return tuple(found)


def _text(device: DeviceView, silent: int, allowed: int) -> Said:
    every: str = ""
    if device.expected_every_ms is not None:
        every = say("dropout.every", "; expected every {time}", time=_span(device.expected_every_ms))
    # Of a device that reports no time is given: when exactly it last did is no part of the judgement.
    if silent > allowed:
        return say(
            "dropout.silent", "Device {device} silent for more than {time}{every}.",
            device=device.device_id, time=_span(_step_below(silent, allowed)), every=every,
        )  # fmt: skip
    return say("dropout.heard", "Device {device} is heard{every}.", device=device.device_id, every=every)


def _step_below(silent: int, allowed: int) -> int:
    """The longest of the allowance, its double and so on that the silence exceeds, ms."""
    step = allowed
    while 2 * step < silent:
        step *= 2
    return step


def _span(millis: int) -> Said:
    if millis < 2 * HOUR_MS:
        return amount(f"{millis / MINUTE_MS:.3g}", "min")
    return amount(f"{millis / HOUR_MS:.3g}", "h")
