"""Words of devices as other systems send them: an event that a device may say, without its patient, and its arrival."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any, get_args

from connectors.schema.definitions import definitions as of_events
from twin.devices.words import DeviceWord, Fact
from twin.events import PumpDelivery

NAME = "DeviceWord"


def definitions(events: Mapping[str, Any], reference: str) -> dict[str, Any]:
    """Schemas of a word and of the events in it, made of those of the ``events`` by class; ``reference`` is as
    ``#/$defs/{model}``."""
    found = {f"{fact.__name__}Word": _without_patient(events[fact.__name__]) for fact in get_args(Fact)}
    received_at = next(iter(found.values()))["properties"]["time"]
    found[NAME] = {
        "title": NAME,
        "description": "What a device said that does not know its patient, and when whoever received it did.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "received_at": {**received_at, "title": "Received At"},
            "event": {"oneOf": [{"$ref": reference.format(model=name)} for name in found]},
        },
        "required": ["received_at", "event"],
    }
    return found


def word_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a device's word, as it is sent to the topic of devices."""
    reference = "#/$defs/{model}"
    events = of_events(reference)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dosetwin words of devices",
        "$ref": reference.format(model=NAME),
        "$defs": {"Quantity": events["Quantity"], **definitions(events, reference)},
    }


def example() -> dict[str, Any]:
    """A pump's word."""
    said = PumpDelivery.example()
    word = DeviceWord(received_at=said.time, event=said)
    told: dict[str, Any] = json.loads(word.model_dump_json(exclude_none=True))
    del told["event"]["patient_id"]
    return told


def _without_patient(event: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = copy.deepcopy(dict(event))
    del found["properties"]["patient_id"]
    found["required"] = [name for name in found["required"] if name != "patient_id"]
    return found
