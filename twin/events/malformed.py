"""What is wrong with bytes that are no event, in the words of a dead letter."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from twin.events.envelope import STAFF_ID_IN_WORDS, EventId, PatientId

_PATIENT: TypeAdapter[str] = TypeAdapter(PatientId)
_EVENT: TypeAdapter[str] = TypeAdapter(EventId)
_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


IN_WORDS = {"by": STAFF_ID_IN_WORDS}
"""What a field must be, where validation only has a pattern for it."""


class WireFault(NamedTuple):
    """Reason code, text that names field, value and mend, and whom the bytes say they are about."""

    reason: str
    detail: str
    patient_id: str | None = None
    event_id: str | None = None


def fault_of(raw: bytes, error: ValidationError) -> WireFault:
    """The first fault that validation found in ``raw``: ``malformed_json``, ``unknown_kind`` or ``invalid_event``."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return WireFault("malformed_json", f"not JSON: {first['msg']}")
    ids = identity_of(raw)
    if first["type"].startswith("union_tag"):
        return WireFault("unknown_kind", f"field 'kind': {first['msg']}", *ids)
    path = ".".join(str(part) for part in first["loc"][1:]) or "event"
    shown = repr(first.get("input"))
    return WireFault("invalid_event", f"field '{path}': {first['msg']} (got {shown[:80]})", *ids)


def first_fault(error: ValidationError, whole: str = "event") -> str:
    """The first fault that validation found in what somebody says, in their words; never with the value.

    Args:
        whole: what it is called where the fault is of no field; "": then only the fault is told.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(map(str, first["loc"])) or whole
    wrong = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch":
        wrong = IN_WORDS.get(field, wrong)
    return f"field '{field}': {wrong}" if field else wrong


def identity_of(raw: bytes) -> tuple[str | None, str | None]:
    """Patient and event that bad bytes say they are about, so that a dead letter can still be found by patient.

    What is no pseudonym, or no id, is none: it may be a name.
    """
    try:
        loose: Any = _ANYTHING.validate_json(raw)
    except ValidationError:
        return None, None
    named = loose if isinstance(loose, dict) else {}
    return _valid(_PATIENT, named.get("patient_id")), _valid(_EVENT, named.get("event_id"))


def _valid(kind: TypeAdapter[str], value: object) -> str | None:
    try:
        return kind.validate_python(value, strict=True)
    except ValidationError:
        return None
