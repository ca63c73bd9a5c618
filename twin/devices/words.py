"""A device's word on the wire: a fact without a patient, and when it arrived.

    {"received_at": "2026-03-02T09:00:04Z", "event": {"kind": "pump_delivery", "device_id": "pump-4", ...}}

``event`` is an input event as everywhere, but for ``patient_id``, which it must not have. Whoever receives the word
from the device writes ``received_at``: it is a fact like the others, and never read from a clock again.
"""

from __future__ import annotations

import json
from typing import Annotated, get_args

from pydantic import Field, TypeAdapter, ValidationError

from twin.events import (
    MAX_EVENT_BYTES,
    BadEvent,
    DeviceAlert,
    DeviceAssociation,
    Frozen,
    PumpDelivery,
    PumpTotals,
    VitalSample,
    decode,
    kind_of,
)
from twin.events.event_time import EventTime

Fact = PumpDelivery | PumpTotals | VitalSample | DeviceAlert
"""What a device may say by itself."""

NOBODY = "nobody"
"""Stands for the patient while a word is read: whose it is, the bindings say."""


class DeviceWord(Frozen):
    """What a device said (of `NOBODY` as yet), and when it arrived."""

    received_at: EventTime
    event: Annotated[Fact, Field(discriminator="kind")]


class _Envelope(Frozen):
    received_at: EventTime
    event: dict[str, object]


_ENVELOPE: TypeAdapter[_Envelope] = TypeAdapter(_Envelope)
_KINDS = tuple(kind_of(fact) for fact in get_args(Fact))


def read_word(raw: bytes) -> DeviceWord | DeviceAssociation:
    """A device's word, or a ``device_association``, which is an input event as it stands.

    Raises:
        BadEvent: with reason ``too_large``, ``malformed_json``, ``unknown_kind`` or ``invalid_event``.
    """
    if len(raw) > MAX_EVENT_BYTES:
        raise BadEvent("too_large", f"a word of {len(raw)} bytes; the limit is {MAX_EVENT_BYTES}")
    try:
        said = _ENVELOPE.validate_json(raw)
    except ValidationError as error:
        if (fault := _fault_of(error)) is not None:
            raise fault from None
        event = decode(raw)
        if isinstance(event, DeviceAssociation):
            return event
        detail = f"field 'kind' {event.kind!r}: a device's word has 'received_at' and 'event'; feed this by itself"
        raise BadEvent("unknown_kind", detail) from None
    if "patient_id" in said.event:
        raise BadEvent("invalid_event", "field 'event.patient_id': whose a device is, its bindings say; leave it out")
    if said.event.get("kind") not in _KINDS:
        detail = f"field 'event.kind' {said.event.get('kind')!r}: a device says {', '.join(_KINDS)}"
        raise BadEvent("unknown_kind", detail)
    try:
        fact = decode(json.dumps(said.event | {"patient_id": NOBODY}).encode())
    except BadEvent as error:
        raise BadEvent(error.reason, error.detail.replace("field '", "field 'event.", 1)) from None
    assert isinstance(fact, Fact)
    return DeviceWord(received_at=said.received_at, event=fact)


def _fault_of(error: ValidationError) -> BadEvent | None:
    """What is wrong with a word; None where it is none, but may be a binding."""
    faults = error.errors(include_url=False)
    first, missing = faults[0], {fault["loc"] for fault in faults if fault["type"] == "missing"}
    if first["type"] == "json_invalid":
        return BadEvent("malformed_json", f"not JSON: {first['msg']}; a word is one JSON object")
    if first["type"] == "model_type" or {("received_at",), ("event",)} <= missing:
        return None
    got = "" if first["type"] == "missing" else f" (got {repr(first['input'])[:80]})"
    path = ".".join(map(str, first["loc"]))
    return BadEvent(
        "invalid_event", f"field '{path}': {first['msg']}{got}; a device's word has 'received_at' and 'event', no more"
    )


def device_of(said: DeviceWord | DeviceAssociation) -> str:
    """The device that speaks, or that is bound or released."""
    return said.device_id if isinstance(said, DeviceAssociation) else said.event.device_id
