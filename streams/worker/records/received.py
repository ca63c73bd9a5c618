"""Events as they were received, and the dead letters of those that cannot be used."""

from __future__ import annotations

from typing import NamedTuple

from connectors.kafka.records import letter_about
from streams.worker.engine import RecordPosition
from twin.events import InputEvent, Rejected, decode


class ReceivedEvent(NamedTuple):
    """A decoded event with where it came from and the bytes it came as."""

    event: InputEvent
    position: RecordPosition
    raw: bytes


def reject(arrival: ReceivedEvent, reason: str, detail: str) -> Rejected:
    """The dead letter of a decoded event."""
    event = arrival.event
    return letter_about(reason, detail, arrival.position[:3], arrival.raw, event.patient_id, event.event_id)


class Unread(NamedTuple):
    """A received event of which its bytes are kept alone."""

    position: RecordPosition
    raw: bytes

    def read(self) -> ReceivedEvent:
        """The event once more."""
        return ReceivedEvent(decode(self.raw), self.position, self.raw)


def unread(arrival: ReceivedEvent) -> Unread:
    """Let go of all but its bytes."""
    return Unread(arrival.position, arrival.raw)
