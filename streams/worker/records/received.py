"""Events as they were received, and the dead letters of those that cannot be used."""

from __future__ import annotations

import msgspec

from connectors.kafka.records import letter_about
from streams.worker.engine import KafkaRecord
from twin.events import InputEvent, Rejected, decode


class ReceivedEvent(msgspec.Struct, frozen=True):
    """A decoded event with the record it came in."""

    event: InputEvent
    record: KafkaRecord

    @property
    def raw(self) -> bytes:
        """The bytes that it came as."""
        return self.record.value


def reject(arrival: ReceivedEvent, reason: str, detail: str) -> Rejected:
    """The dead letter of a decoded event."""
    event, record = arrival.event, arrival.record
    return letter_about(reason, detail, record[:3], record.value, event.patient_id, event.event_id)


def read_again(record: KafkaRecord) -> ReceivedEvent:
    """The event of a record that held one before."""
    return ReceivedEvent(decode(record.value), record)


def size_of(waiting: ReceivedEvent | KafkaRecord) -> int:
    """Bytes of an event that waits, decoded or not."""
    return len(waiting.value if isinstance(waiting, KafkaRecord) else waiting.record.value)
