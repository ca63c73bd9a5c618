"""Events as bytes: compact UTF-8 JSON, checked on the way in."""

from __future__ import annotations

import functools
import operator
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from twin.events.envelope import Event, InputEvent, OutputEvent
from twin.events.malformed import fault_of
from twin.events.vocabulary import INPUT_EVENTS, OUTPUT_EVENTS

MAX_EVENT_BYTES = 1_048_576
"""An event larger than this is refused unread: no device message of a single fact is near it."""

E = TypeVar("E", bound=Event)


def _any_of(events: tuple[type[E], ...]) -> TypeAdapter[E]:
    """Reader of the union of these classes, told apart by ``kind``."""
    union: Any = functools.reduce(operator.or_, events)
    return TypeAdapter(Annotated[union, Field(discriminator="kind")])


_INPUT = _any_of(INPUT_EVENTS)
_OUTPUT = _any_of(OUTPUT_EVENTS)


class BadEvent(ValueError):
    """Bytes that are no `InputEvent`; ``reason`` is the dead-letter code, the message names field, value and mend."""

    def __init__(self, reason: str, detail: str, patient_id: str | None = None, event_id: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.patient_id = patient_id
        self.event_id = event_id


def encode(event: Event) -> bytes:
    """The event as compact UTF-8 JSON, with fields that are ``None`` left out."""
    return event.model_dump_json(exclude_none=True).encode()


def decode(raw: bytes) -> InputEvent:
    """Parse and validate one input event.

    Raises:
        BadEvent: with reason ``too_large``, ``malformed_json``, ``unknown_kind`` or ``invalid_event``.
    """
    if len(raw) > MAX_EVENT_BYTES:
        raise BadEvent("too_large", f"event of {len(raw)} bytes; the limit is {MAX_EVENT_BYTES}")
    try:
        return _INPUT.validate_json(raw)
    except ValidationError as error:
        raise BadEvent(*fault_of(raw, error)) from None


def decode_output(raw: bytes) -> OutputEvent:
    """Parse one output event (for sinks and the console); raises pydantic's `ValidationError`."""
    return _OUTPUT.validate_json(raw)
