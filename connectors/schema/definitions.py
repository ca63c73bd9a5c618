"""The event vocabulary as a JSON Schema (draft 2020-12): what the events of `twin.events` say of themselves."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from twin.events import EVENTS, MAX_EVENT_BYTES, ClinicalEnvelope

VERSION = "1"
"""Version of the vocabulary: the ``v`` of every event."""


def event_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of every event: one definition a kind, told apart by ``kind``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dosetwin events",
        "description": f"Any event on the wire, as UTF-8 JSON of at most {MAX_EVENT_BYTES} bytes for inputs.",
        "oneOf": [{"$ref": f"#/$defs/{event.__name__}"} for event in EVENTS],
        "$defs": definitions("#/$defs/{model}"),
    }


def definitions(ref_template: str) -> dict[str, Any]:
    """A definition for each event class; ``ref_template`` says how one refers to another, as ``#/$defs/{model}``."""
    _, schema = models_json_schema([(event, "validation") for event in EVENTS], ref_template=ref_template)
    definitions: dict[str, Any] = schema["$defs"]
    for event in EVENTS:
        definition = definitions[event.__name__]
        # ``kind`` has a default for whoever writes Python; on the wire it is what tells the events apart.
        definition["required"] = ["kind", *definition.get("required", [])]
        if issubclass(event, ClinicalEnvelope):
            definition |= _replacement_rule()
    return definitions


def _replacement_rule() -> dict[str, Any]:
    """``replaces`` is given exactly when the status is corrected or retracted, as the models check in code."""
    replacing = {"properties": {"status": {"enum": ["corrected", "retracted"]}}, "required": ["status"]}
    return {
        "if": replacing,
        "then": {"required": ["replaces"], "properties": {"replaces": {"type": "string"}}},
        "else": {"properties": {"replaces": {"type": "null"}}},
    }
