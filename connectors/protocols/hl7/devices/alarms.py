"""Alarms of devices (IHE PCD-04, ORU^R40): that something is wrong with a pump, and never that it stopped.

An alarm tells no rate, so it says that the delivery is doubtful from its time on and no more. Its identity is that of
the alert (OBR-29, the parent, else OBR-3) with its phase: sources tell it again after a restart.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.facts.fact import Fact, Found, NotAFact, Passed, Refusal
from connectors.facts.profile import Profile
from connectors.protocols.hl7.devices.containment import Devices, path_of, term_of
from connectors.protocols.hl7.groups import groups, zone_of
from connectors.protocols.hl7.message import Message, Segment
from connectors.protocols.hl7.values import codings

STOPPING = frozenset({
    "MDC_EVT_FLUID_LINE_OCCL",
    "MDC_EVT_FLUID_LINE_OCCL_PROXIMAL",
    "MDC_EVT_FLUID_LINE_AIR",
    "MDC_EVT_DOOR_POSN_ERR",
    "MDC_EVT_FLOW_STOP_OPEN",
    "MDC_EVT_SYRINGE_BARREL_CAPTURE_FAULT",
    "MDC_EVT_BATT_DEPL",
    "MDC_EVT_MALF",
})  # fmt: skip
"""Conditions under which a pump delivers nothing, or may not (IHE PCD-04 and IPEC)."""

_PRIORITY = {"PH": "high", "PM": "medium", "PL": "low", "PN": "none"}
_PHASES = {"start": "start", "present": "continue", "continue": "continue", "end": "end", "start_only": "start",
           "tpoint": "start", "escalate": "continue", "deescalate": "continue", "update": "continue",
           "acknowledged": "continue", "inactivate": "continue", "reset": "end", "stop": "end"}  # fmt: skip

_NUMBERS = {
    "196940": "MDC_EVT_FLUID_LINE_OCCL",
    "196950": "MDC_EVT_FLOW_LO",
    "197218": "MDC_EVT_SYRINGE_BARREL_CAPTURE_FAULT",
    "197334": "MDC_EVT_VOL_INFUS_NEAR_COMP",
    "196802": "MDC_EVT_BATT_LO",
}
"""Conditions that stand in the standard's messages with their numbers, for senders that leave the name out."""


def read_alarm(message: Message, profile: Profile) -> Iterator[Found]:
    """The alarms of an ORU^R40, one for each order."""
    zone = zone_of(message)
    for group in groups(message):
        devices = Devices(group, zone, profile)
        place = f"OBR[{group.number}]" if group.number else "message"
        try:
            yield _alarm(devices, place, profile)
        except NotAFact as error:
            yield Refusal(place, error.reason, error.detail)


def _alarm(devices: Devices, place: str, profile: Profile) -> Found:
    group = devices.group
    if not group.results or group.order is None:
        raise NotAFact("incomplete", "an alarm has OBR and an OBX with its condition")
    first = group.results[0][1]
    condition = _condition(first)
    if not condition:
        raise NotAFact("unknown_code", "the first OBX names no condition of MDC (MDC_EVT_...)")
    phase = _PHASES.get(devices.term(("MDC_ATTR_EVENT_PHASE",)).lower())
    if phase is None:
        raise NotAFact("incomplete", "no phase (MDC_ATTR_EVENT_PHASE) of start, continue or end")
    source = devices.term(("MDC_ATTR_ALERT_SOURCE",)) or " ".join(coding.name for coding in codings(first, 3))
    kinds = {part[0].strip() for part in first.repetitions(8) if part}
    if condition not in STOPPING and "PUMP" not in source:
        return Passed(place, "an alarm of a device that delivers nothing")
    device = devices.device(path_of(first))
    if not device:
        raise NotAFact("unknown_device", "no device in OBX-18 of the alarm")
    parent = group.order.sub(group.order(29, 2)) if group.order(29, 2) else []
    alert = next((part for part in parent if part), "") or group.order(3)
    fields: dict[str, object] = {
        "device_id": device,
        "condition": condition,
        "phase": phase,
        "priority": next((_PRIORITY[kind] for kind in kinds if kind in _PRIORITY), None),
        "stops_delivery": condition in STOPPING,
    }
    time = devices.time(first, path_of(first))
    key = ("hl7-alarm", device, alert, condition, phase)
    return Fact(key, "device_alert", fields, devices.subject(profile), time, place)


def _condition(first: Segment) -> str:
    """The condition: what the alarm's value names, or in other forms the term of the observation itself."""
    called = {part for coding in codings(first, 3) for part in (coding.code, coding.name)}
    if not called & {"MDC_EVT_ALARM", "ALARM", "196616"}:
        return term_of(first) if term_of(first).startswith("MDC_EVT") else ""
    named = [part.strip().replace("MDCX_", "MDC_", 1) for part in first.components(5)]
    return next((part for part in named if part.startswith("MDC_EVT")), "") or next(
        (_NUMBERS[part] for part in named if part in _NUMBERS), ""
    )
