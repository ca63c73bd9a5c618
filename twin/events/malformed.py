"""What is wrong with bytes that are no event, in the words of a dead letter."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError


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
    ids = _identity(raw)
    if first["type"].startswith("union_tag"):
        return WireFault("unknown_kind", f"field 'kind': {first['msg']}", *ids)
    path = ".".join(str(part) for part in first["loc"][1:]) or "event"
    shown = repr(first.get("input"))
    return WireFault("invalid_event", f"field '{path}': {first['msg']} (got {shown[:80]})", *ids)


def _identity(raw: bytes) -> tuple[str | None, str | None]:
    """Who a bad event says it is about, so that a dead letter can still be found by patient."""
    loose: Any = TypeAdapter(Any).validate_json(raw)
    if not isinstance(loose, dict):
        return None, None
    patient, event = loose.get("patient_id"), loose.get("event_id")
    return (patient if isinstance(patient, str) else None, event if isinstance(event, str) else None)
