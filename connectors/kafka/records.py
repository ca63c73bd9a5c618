"""A record of a topic, the event it holds, and the dead letter it becomes where it cannot be carried on.

Whoever reads outputs reads what anybody may have written: bytes that are no event end as one dead letter, never as the
end of the reader.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition
from pydantic import ValidationError

from connectors.kafka.clients import kept_records
from connectors.kafka.topics import HEARTBEATS, OUTPUTS, POSTERIORS, REJECTED, REJECTED_BYTES
from connectors.settings import Settings
from twin.events import BadEvent, Event, Heartbeat, Posterior, Rejected, decode, decode_output
from twin.events.malformed import first_fault, identity_of

MOST_ORIGINAL = REJECTED_BYTES // 3 * 2
"""Bytes that a dead letter carries along: a third more in base64, they leave room for what is said of them."""


ONLY_FOR = "dosetwin-only-for"
"""Header of a record that only the sink of that name is to read: the others have read it."""

REFUSED = "_refused"
"""How reasons end that are of a sink's outside system, after the sink's name."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a topic, named without prefix; the broker stamped ``arrived_ms`` on it.

    ``only_for`` names the sink that alone is to read it; empty where all are.
    """

    topic: str
    partition: int
    offset: int
    arrived_ms: int
    key: bytes | None
    value: bytes
    only_for: str = ""

    @classmethod
    def of(cls, consumed: Any, prefix: str) -> Record:
        """A record as kafka-python hands it over, from a topic whose name begins with ``prefix``."""
        topic = consumed.topic.removeprefix(prefix)
        only = next((value.decode(errors="replace") for name, value in consumed.headers if name == ONLY_FOR), "")
        value = consumed.value or b""
        return cls(topic, consumed.partition, consumed.offset, consumed.timestamp, consumed.key, value, only)


def decode_record(topic: str, raw: bytes) -> Event:
    """The event in a record of ``topic`` (name without prefix).

    Raises:
        BadEvent: bytes on a topic of inputs that are no input event.
        ValidationError: bytes on a topic of outputs that are none, or a dead letter elsewhere than among its own.
    """
    if topic == REJECTED:
        return Rejected.model_validate_json(raw)
    if topic == HEARTBEATS:
        return Heartbeat.model_validate_json(raw)
    if topic == POSTERIORS:
        return Posterior.model_validate_json(raw)
    return decode_output(raw) if topic in OUTPUTS else decode(raw)


def event_of(record: Record) -> Event | None:
    """What a record says; None for an input that cannot be used, of which the worker writes the dead letter.

    Raises:
        ValueError: it is no event of its topic; the message names the field.
    """
    try:
        return decode_record(record.topic, record.value)
    except BadEvent:
        return None
    except ValidationError as error:
        raise ValueError(first_fault(error)) from None


def refused_by(letter: Rejected) -> str:
    """The sink whose outside system refused what the letter is about; empty where that is not why."""
    return letter.reason.removesuffix(REFUSED) if letter.reason.endswith(REFUSED) else ""


def dead_letter(record: Record, reason: str, detail: str, prefix: str = "") -> Rejected:
    """The dead letter of a record: where it stands, its bytes, and whom it is about where it says so."""
    place = prefix + record.topic, record.partition, record.offset
    return letter_about(reason, detail, place, record.value, *identity_of(record.value))


def letter_about(
    reason: str,
    detail: str,
    place: tuple[str, int, int],
    raw: bytes,
    patient_id: str | None = None,
    event_id: str | None = None,
) -> Rejected:
    """A dead letter that carries the original bytes, so that they can be mended and sent again.

    ``place`` is topic (with prefix), partition and offset; there they stand where they are too many to carry along.
    """
    fits = len(raw) <= MOST_ORIGINAL
    topic, partition, offset = place
    return Rejected(
        reason=reason,
        detail=detail if fits else f"{detail} ({len(raw)} bytes: its bytes stand at its offset)",
        patient_id=patient_id,
        event_id=event_id,
        topic=topic,
        partition=partition,
        offset=offset,
        original_base64=base64.b64encode(raw).decode() if fits else None,
    )


def kept_outputs(settings: Settings, topic: str, numbers: Iterable[int] | None = None) -> Iterator[Event]:
    """The outputs that a topic holds now, in its order, of all or of some partitions; what is none is left out.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    numbers = range(settings.partitions) if numbers is None else numbers
    for record in kept_records(settings.kafka, [TopicPartition(settings.topic_prefix + topic, n) for n in numbers]):
        try:
            yield decode_output(record.value or b"")
        except ValueError:
            continue
