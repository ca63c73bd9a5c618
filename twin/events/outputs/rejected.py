"""What could not be used, for whoever can mend it."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from twin.events.bounds import Tag, Text, TopicName, Whole
from twin.events.channels import REJECTED, Channel
from twin.events.envelope import Event, EventId, PatientId
from twin.events.story import PATIENT, story_id


class Rejected(Event):
    """An input that could not be used: the dead letter. ``reason`` is a stable code, ``detail`` says what to mend.

    ``original_base64`` is the record as it came; with ``original_encrypted``, what the patient's key made of it.
    """

    sent_on: ClassVar[Channel] = REJECTED

    v: Literal[1] = 1
    kind: Literal["rejected"] = "rejected"
    reason: Tag
    detail: Text
    patient_id: PatientId | None = None
    event_id: EventId | None = None
    topic: TopicName | None = None
    partition: Whole | None = None
    offset: Whole | None = None
    original_base64: str | None = None
    original_encrypted: bool = False

    @classmethod
    def example(cls) -> Self:
        return cls(
            reason="unknown_unit",
            detail="field 'rate.unit': 'ml/hr' is not a UCUM unit; write 'mL/h'",
            patient_id=PATIENT,
            event_id=story_id("rejected"),
            topic="iomt.pump",
            partition=2,
            offset=1841,
            original_base64="eyJ2IjoxfQ==",
        )
