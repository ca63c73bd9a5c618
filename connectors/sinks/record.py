"""A record as a sink reads it, the event it holds, and the dead letter it becomes where it cannot be carried on."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from pydantic import ValidationError

from connectors.kafka.records import decode_record
from twin.events import BadEvent, Event, Rejected


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a topic, named without prefix; the broker stamped ``arrived_ms`` on it."""

    topic: str
    partition: int
    offset: int
    arrived_ms: int
    key: bytes | None
    value: bytes


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
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"field '{'.'.join(map(str, first['loc'])) or 'event'}': {first['msg']}") from None


def dead_letter(record: Record, reason: str, detail: str, prefix: str = "") -> Rejected:
    """The dead letter of a record: where it stands, its bytes, and whom it is about where it says so."""
    patient, event = _names(record.value)
    return Rejected(
        reason=reason,
        detail=detail,
        patient_id=patient,
        event_id=event,
        topic=prefix + record.topic,
        partition=record.partition,
        offset=record.offset,
        original_base64=base64.b64encode(record.value).decode(),
    )


def _names(value: bytes) -> tuple[str | None, str | None]:
    """Patient and event as a refused record names them, where it does."""
    try:
        loose = json.loads(value)
    except ValueError:
        return None, None
    named = loose if isinstance(loose, dict) else {}
    patient, event = named.get("patient_id"), named.get("event_id")
    return (patient if isinstance(patient, str) else None, event if isinstance(event, str) else None)
