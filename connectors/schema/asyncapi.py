"""The event vocabulary as documents other systems can read: a JSON Schema and an AsyncAPI 3 description.

Both are generated from what the events of `twin.events` say of themselves and from the topics; nothing is written by
hand, and a test holds the committed files against what would be generated (``dosetwin schema --write`` renews them).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from connectors.kafka.topics import DEVICES, INPUTS, TOPICS, topic_configs, topic_of
from connectors.schema import device_words
from twin.events import EVENTS, MAX_EVENT_BYTES, ClinicalEnvelope, DeviceAssociation, Event, channels, kind_of
from twin.registry import summary_of

VERSION = "1"
"""Version of the vocabulary: the ``v`` of every event."""

_PURPOSE = {event.sent_on.name: event.sent_on.purpose for event in EVENTS} | {DEVICES: channels.DEVICES.purpose}
_CHANNELS = (*TOPICS, DEVICES)


def event_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of every event: one definition a kind, told apart by ``kind``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dosetwin events",
        "description": f"Any event on the wire, as UTF-8 JSON of at most {MAX_EVENT_BYTES} bytes for inputs.",
        "oneOf": [{"$ref": f"#/$defs/{event.__name__}"} for event in EVENTS],
        "$defs": _definitions("#/$defs/{model}"),
    }


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0 document: a channel for each topic, a message for each kind of event."""
    reference = "#/components/schemas/{model}"
    schemas = _definitions(reference)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "dosetwin",
            "version": VERSION,
            "description": (
                "Events into and out of a streaming PK/PD twin of every patient on chemotherapy. Decision support for "
                "research; it never commands a pump. Records are keyed by patient_id (UTF-8, murmur2), those of "
                f"{DEVICES} by device_id."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {"host": "localhost:9092", "protocol": "kafka", "description": "the broker in DOSETWIN_KAFKA"}
        },
        "channels": {topic: _channel(topic) for topic in _CHANNELS},
        "operations": {_operation_name(topic): _operation(topic) for topic in _CHANNELS},
        "components": {
            "messages": {**{kind_of(event): _message(event) for event in EVENTS}, **_of_devices()},
            "schemas": schemas | device_words.definitions(schemas, reference),
        },
    }


def word_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a device's word, as it is sent to the topic of devices."""
    reference = "#/$defs/{model}"
    events = _definitions(reference)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dosetwin words of devices",
        "$ref": reference.format(model=device_words.NAME),
        "$defs": {"Quantity": events["Quantity"], **device_words.definitions(events, reference)},
    }


def documents() -> dict[str, str]:
    """The generated files: path below the documentation folder -> text."""
    return {
        "schema/events.schema.json": _text(event_schema()),
        "schema/device_word.schema.json": _text(word_schema()),
        "asyncapi.json": _text(asyncapi()),
    }


def stale(folder: Path) -> tuple[str, ...]:
    """Generated files below ``folder`` that are missing or differ from what would be written now."""
    return tuple(
        name
        for name, text in documents().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    )


def write(folder: Path) -> tuple[Path, ...]:
    """Write the generated files below ``folder``; returns their paths."""
    written = []
    for name, text in documents().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return tuple(written)


def _definitions(ref_template: str) -> dict[str, Any]:
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


def _channel(topic: str) -> dict[str, Any]:
    configs = topic_configs(topic)
    return {
        "address": topic,
        "description": _PURPOSE[topic],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _messages_on(topic)},
        "bindings": {
            "kafka": {
                "topicConfiguration": {
                    "cleanup.policy": configs["cleanup.policy"].split(","),
                    **{name: int(configs[name]) for name in ("retention.ms", "max.message.bytes") if name in configs},
                }
            }
        },
    }


def _messages_on(topic: str) -> tuple[str, ...]:
    if topic == DEVICES:
        return tuple(_of_devices())
    return tuple(kind_of(event) for event in EVENTS if topic_of(event) == topic)


def _of_devices() -> dict[str, Any]:
    """The messages on the topic of devices: words, and the bindings, which come under another key than a patient's."""
    key = {"kafka": {"key": {"type": "string", "description": "device_id"}}}
    word = {
        "name": "device_word",
        "title": "Device word",
        "summary": "What a device said that does not know its patient.",
        "payload": {"$ref": f"#/components/schemas/{device_words.NAME}"},
        "examples": [{"payload": device_words.example()}],
        "bindings": key,
    }
    return {"device_word": word, "device_binding": {**_message(DeviceAssociation), "bindings": key}}


def _operation(topic: str) -> dict[str, Any]:
    return {
        "action": "receive" if topic in (*INPUTS, DEVICES) else "send",
        "channel": {"$ref": f"#/channels/{topic}"},
        "summary": _PURPOSE[topic],
    }


def _operation_name(topic: str) -> str:
    verb = "receive" if topic in (*INPUTS, DEVICES) else "send"
    return verb + "".join(part.capitalize() for part in topic.split("."))


def _message(event: type[Event]) -> dict[str, Any]:
    kind = kind_of(event)
    return {
        "name": kind,
        "title": kind.replace("_", " ").capitalize(),
        "summary": summary_of(event),
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "examples": [{"payload": event.example().model_dump(mode="json", exclude_none=True)}],
        "bindings": {"kafka": {"key": {"type": "string", "description": "patient_id"}}},
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
