"""Dead letters: why a record could not be used, where it stood, and the bytes that it came as."""

from __future__ import annotations

import base64

from streams.worker.engine import RecordPosition
from streams.worker.records.received import ReceivedEvent
from twin.events import Rejected


def dead_letter(
    reason: str,
    detail: str,
    position: RecordPosition,
    raw: bytes,
    patient_id: str | None = None,
    event_id: str | None = None,
) -> Rejected:
    """A `Rejected` that carries the original bytes and where they stood, so that it can be mended and sent again."""
    return Rejected(
        reason=reason,
        detail=detail,
        patient_id=patient_id,
        event_id=event_id,
        topic=position.topic,
        partition=position.partition,
        offset=position.offset,
        original_base64=base64.b64encode(raw).decode(),
    )


def reject(arrival: ReceivedEvent, reason: str, detail: str) -> Rejected:
    """The dead letter of a decoded event."""
    event = arrival.event
    return dead_letter(reason, detail, arrival.position, arrival.raw, event.patient_id, event.event_id)
