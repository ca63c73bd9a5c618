"""Events as bytes: compact UTF-8 JSON, checked on the way in."""

from __future__ import annotations

import functools
import operator
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from twin.events.envelope import Event, InputEvent, OutputEvent
from twin.events.malformed import fault_of
from twin.events.repeated_keys import keys_of, repeated_key
from twin.events.vocabulary import INPUT_EVENTS, OUTPUT_EVENTS

MAX_EVENT_BYTES = 1_048_576
"""An event larger than this is refused unread: no device message of a single fact is near it."""

E = TypeVar("E", bound=Event)


def _any_of(events: tuple[type[E], ...]) -> TypeAdapter[E]:
    """Reader of the union of these classes, told apart by ``kind``."""
    union: Any = functools.reduce(operator.or_, events)
    return TypeAdapter(Annotated[union, Field(discriminator="kind")])


_READ = _any_of(INPUT_EVENTS).validator.validate_json
"""The compiled reader itself, for it is asked of every event."""

_OUTPUT = _any_of(OUTPUT_EVENTS)


class BadEvent(ValueError):
    """Bytes that are no `InputEvent`; ``reason`` is the dead-letter code, the message names field, value and mend."""

    def __init__(self, reason: str, detail: str, patient_id: str | None = None, event_id: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.patient_id = patient_id
        self.event_id = event_id


_decoded: tuple[Event | None, bytes] = None, b""
"""The event that was decoded last, and as `encode` gives it: most are digested as they came, in a record's history."""


def encode(event: Event) -> bytes:
    """The event as compact UTF-8 JSON, with fields that are ``None`` left out."""
    known, text = _decoded
    return text if known is event else event.__pydantic_serializer__.to_json(event, exclude_none=True)


def decode(raw: bytes) -> InputEvent:
    """Parse and validate one input event.

    Raises:
        BadEvent: with reason ``too_large``, ``malformed_json``, ``unknown_kind`` or ``invalid_event``.
    """
    global _decoded  # one tuple, read and put in its place at once, whichever thread asks
    if len(raw) > MAX_EVENT_BYTES:
        raise BadEvent("too_large", f"event of {len(raw)} bytes; the limit is {MAX_EVENT_BYTES}")
    try:
        event: InputEvent = _READ(raw)
    except ValidationError as error:
        raise BadEvent(*fault_of(raw, error)) from None
    text: bytes = event.__pydantic_serializer__.to_json(event, exclude_none=True)
    if text != raw and not _plainly_once(raw, event) and (twice := repeated_key(raw)) is not None:
        detail = f"field '{twice}': the key comes twice in one object; send it once"
        raise BadEvent("invalid_event", detail, event.patient_id, event.event_id)
    _decoded = event, text
    return event


def _plainly_once(raw: bytes, event: InputEvent) -> bool:
    """Whether it is seen at a glance that no key comes twice: there are as many as the event has, written compactly.

    Asked where the event is written otherwise than `encode` writes it, which writes each key once.
    """
    # Without any blank, as nearly all are written, no more has to be looked for.
    if len(raw.split(None, 1)) > 1 and (b" :" in raw or b"\n" in raw or b"\t" in raw or b"\r" in raw):
        return False
    return raw.count(b'":') == keys_of(event)


def decode_output(raw: bytes) -> OutputEvent:
    """Parse one output event (for sinks and the console); raises pydantic's `ValidationError`."""
    return _OUTPUT.validate_json(raw)
