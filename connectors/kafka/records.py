"""What a record of a topic says."""

from __future__ import annotations

from connectors.kafka.topics import OUTPUTS, REJECTED
from twin.events import Event, Rejected, decode, decode_output


def decode_record(topic: str, raw: bytes) -> Event:
    """The event in a record of ``topic`` (name without prefix).

    Raises:
        BadEvent: bytes on a topic of inputs that are no input event.
        ValidationError: bytes on a topic of outputs that are none, or a dead letter elsewhere than among its own.
    """
    if topic == REJECTED:
        return Rejected.model_validate_json(raw)
    return decode_output(raw) if topic in OUTPUTS else decode(raw)
