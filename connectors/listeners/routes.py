"""Where an event goes: to its patient's topic, or to that of devices, where bindings say whose it is."""

from __future__ import annotations

import json
from datetime import datetime
from typing import NamedTuple

from connectors.kafka.topics import DEVICES, topic_of
from twin.devices.words import NOBODY
from twin.events import DeviceAssociation, Event, encode


class Outgoing(NamedTuple):
    """A record as it goes to Kafka; ``topic`` has its prefix."""

    topic: str
    key: bytes | None
    value: bytes


def outgoing(event: Event, prefix: str, received_at: datetime) -> Outgoing:
    """The record of an event.

    Bindings go to the topic of devices, from where they are passed on to their patients; what a device said without a
    patient goes there as its word, with the time at which it came.
    """
    if isinstance(event, DeviceAssociation):
        return Outgoing(prefix + DEVICES, event.device_id.encode(), encode(event))
    patient: str | None = getattr(event, "patient_id", None)
    if patient == NOBODY:
        said = event.model_dump(mode="json", exclude_none=True, exclude={"patient_id"})
        word = {"received_at": received_at.isoformat(), "event": said}
        return Outgoing(prefix + DEVICES, str(said["device_id"]).encode(), json.dumps(word).encode())
    return Outgoing(topic_of(event, prefix), patient.encode() if patient else None, encode(event))
