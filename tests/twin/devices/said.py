"""What a pump of the tests says, and whose it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from twin.devices.words import NOBODY, DeviceWord
from twin.events import DeviceAssociation, PumpDelivery, Quantity, VitalSample, encode

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def word(name: str, minutes: float, rate: float = 4.0, *, off: float = 0.0, **changes: Any) -> DeviceWord:
    """A word that arrives after so many minutes, of a pump whose clock is ``off`` minutes ahead."""
    fields: dict[str, Any] = {
        "event_id": name,
        "patient_id": NOBODY,
        "time": at(minutes + off),
        "source": "pump",
        "device_id": "pump-4",
        "drug": "toxin",
        "phase": "start",
        "delivery_status": "delivering",
        "rate": Quantity(value=rate, unit="mg/h"),
    }
    return DeviceWord(received_at=at(minutes), event=PumpDelivery(**fields | changes))


def read(name: str, minutes: float, *, off: float = 0.0, **changes: Any) -> DeviceWord:
    """A heart rate that arrives after so many minutes, of a wearable whose clock is ``off`` minutes ahead."""
    fields: dict[str, Any] = {
        "event_id": name,
        "patient_id": NOBODY,
        "time": at(minutes + off),
        "source": "wearable",
        "device_id": "wrist-9",
        "channel": "heart_rate",
        "value": Quantity(value=74.0, unit="/min"),
    }
    return DeviceWord(received_at=at(minutes), event=VitalSample(**fields | changes))


def bound(patient: str, minutes: float, associated: bool = True, **changes: Any) -> DeviceAssociation:
    fields: dict[str, Any] = {
        "event_id": f"{patient} {'binds' if associated else 'released'} {minutes:g}",
        "patient_id": patient,
        "time": at(minutes),
        "source": "ward",
        "device_id": "pump-4",
        "associated": associated,
    }
    return DeviceAssociation(**fields | changes)


def retracted(one: DeviceAssociation) -> DeviceAssociation:
    changes = {"event_id": f"no {one.event_id}", "status": "retracted", "replaces": one.event_id}
    return one.model_copy(update=changes)


def on_the_wire(said: DeviceWord | DeviceAssociation) -> bytes:
    """As a device's gateway, or the ward, sends it."""
    if isinstance(said, DeviceAssociation):
        return encode(said)
    told = json.loads(said.model_dump_json(exclude_none=True))
    del told["event"]["patient_id"]
    return json.dumps(told).encode()
