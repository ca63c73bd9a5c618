"""Monitors and other devices beside a bed (IHE PCD-01, ORU^R01): their readings, one fact each.

Only what was measured counts (OBX-17 AMEAS, MMEAS), neither settings nor what the device worked out. A number whose
OBX-11 says that there is no result is not claimed by its device, and is read only where the profile says that this
gateway writes it so.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.facts.fact import Fact, Found, NotAFact, Passed, Refusal
from connectors.facts.profile import Profile
from connectors.protocols.hl7.devices.containment import Devices, Path, is_valid, term_of
from connectors.protocols.hl7.groups import groups, zone_of
from connectors.protocols.hl7.laboratory import STATUS, fields_of
from connectors.protocols.hl7.message import Message, Segment
from connectors.protocols.hl7.stamps import stamp_of
from connectors.protocols.hl7.values import codings, number, unit

_OF_PUMPS = ("PUMP", "FLUID", "INFUS", "DRUG", "DOSE", "EVT")
"""Parts of terms whose observations are read as delivery, or are of a pump alone."""


def read_readings(message: Message, profile: Profile) -> Iterator[Found]:
    """The readings of an ORU^R01 of a device."""
    zone = zone_of(message)
    for group in groups(message):
        devices = Devices(group, zone, profile)
        found = [(path, one) for index, result, path in devices.metrics
                 for one in [_read(devices, result, path, group.place(index), profile)]]  # fmt: skip
        halves = {path[:3]: one for path, one in found if isinstance(one, Refusal) and _is_pressure(devices, path)}
        for path, one in found:
            other = halves.get(path[:3])
            if isinstance(one, Fact) and other is not None and str(one.fields.get("channel", "")).endswith("_bp"):
                yield Refusal(one.place, other.reason, f"the other pressure of the cuff cannot be used: {other.detail}")
            else:
                yield one


def read_weight(message: Message, profile: Profile) -> Iterator[Found]:
    """The patient's weight as a pump was told it: the one thing in its events that is of the patient."""
    zone = zone_of(message)
    for group in groups(message):
        devices = Devices(group, zone, profile)
        for index, result, path in devices.metrics:
            if term_of(result) == "MDC_ATTR_PT_WEIGHT":
                yield _read(devices, result, path, group.place(index), profile)


def _is_pressure(devices: Devices, path: Path) -> bool:
    return any("_PRESS_" in term_of(result) for _, result, place in devices.metrics if place == path)


def _read(devices: Devices, result: Segment, path: Path, place: str, profile: Profile) -> Found:
    try:
        return _reading(devices, result, path, place, profile)
    except NotAFact as error:
        return Refusal(place, error.reason, error.detail)


def _reading(devices: Devices, result: Segment, path: Path, place: str, profile: Profile) -> Found:
    given = codings(result, 3)
    if not result.raw(5) or any(part in coding.name for coding in given for part in _OF_PUMPS):
        return Passed(place, "a device, or what a pump says of its delivery")
    quantified = profile.codes.quantity(given)
    if quantified is None:
        return Passed(place, "a term that no twin reads")
    if term_of(result) == "MDC_ATTR_PT_WEIGHT" and quantified.name not in (profile.names or {}):
        return Passed(place, "a weight that no model of the ward is said to have ([names] of the profile)")
    status = STATUS.get(result(11) or "F")
    if status is None:
        if not (profile.values_without_result and result(11) == "X"):
            return Passed(place, "a number that its device says is no result (OBX-11)")
        status = "final"
    if not is_valid(result):
        return Passed(place, "a number that its device does not vouch for (OBX-8)")
    if result(17) and result(17) not in ("AMEAS", "MMEAS"):
        return Passed(place, "a setting or calculation (OBX-17)")
    measured = number(result)
    if measured is None:
        return Passed(place, "no number")
    device = devices.device(path) or profile.source
    time = devices.time(result, path)
    fields = fields_of(quantified, measured, unit(result, 6), result, profile)
    if quantified.kind == "vital_sample":
        fields["device_id"] = device
    key = ("hl7-device", device, quantified.name, ".".join(path[:3]), stamp_of(time))
    return Fact(key, quantified.kind, fields, devices.subject(profile), time, place, status)
