"""The event vocabulary as documents other systems can read: a JSON Schema and an AsyncAPI 3 description.

Both are generated from the models in `twin.events` and the topics in `connectors.kafka.topics`; nothing is written by
hand, and a test holds the committed files against what would be generated now (``dosetwin schema --write`` renews
them).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from connectors.kafka.topics import (
    ALERTS,
    COMMANDS,
    ESTIMATES,
    INPUTS,
    LABS,
    ORDERS,
    PUMP,
    REJECTED,
    TOPICS,
    VITALS,
    topic_configs,
    topic_of,
)
from connectors.schema.examples import input_examples, output_examples
from twin.events import MAX_EVENT_BYTES, ClinicalEnvelope, InputEvent, OutputEvent, Rejected

INPUT_MODELS: tuple[type[BaseModel], ...] = get_args(InputEvent)
OUTPUT_MODELS: tuple[type[BaseModel], ...] = (*get_args(OutputEvent), Rejected)

VERSION = "1"
"""Version of the vocabulary: the ``v`` of every event."""

_PURPOSE = {
    PUMP: "What infusion pumps deliver, their counters, and which device belongs to which patient.",
    VITALS: "Readings of wearables and monitors.",
    LABS: "Laboratory values, drug levels and patient characteristics.",
    ORDERS: "Planned regimens and doses recorded as given.",
    COMMANDS: "Enrolment of a patient in a model, and the passing of time.",
    ESTIMATES: "What the twin believes: estimates, predictions just before a value was seen, forecasts.",
    ALERTS: "Transitions of alerts: raised, updated, cleared, withdrawn.",
    REJECTED: "Dead letters: inputs that could not be used, with reason, original bytes and place.",
}


def event_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of every event: one definition a kind, told apart by ``kind``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dosetwin events",
        "description": f"Any event on the wire, as UTF-8 JSON of at most {MAX_EVENT_BYTES} bytes for inputs.",
        "oneOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in INPUT_MODELS + OUTPUT_MODELS],
        "$defs": _definitions("#/$defs/{model}"),
    }


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0 document: a channel for each topic, a message for each kind of event."""
    examples: dict[str, BaseModel] = {example.kind: example for example in (*input_examples(), *output_examples())}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "dosetwin",
            "version": VERSION,
            "description": (
                "Events into and out of a streaming PK/PD twin of every patient on chemotherapy. Decision support for "
                "research; it never commands a pump. Records are keyed by patient_id (UTF-8, murmur2)."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {"host": "localhost:9092", "protocol": "kafka", "description": "the broker in DOSETWIN_KAFKA"}
        },
        "channels": {topic: _channel(topic) for topic in TOPICS},
        "operations": {_operation_name(topic): _operation(topic) for topic in TOPICS},
        "components": {
            "messages": {
                _kind(model): _message(model, examples[_kind(model)]) for model in INPUT_MODELS + OUTPUT_MODELS
            },
            "schemas": _definitions("#/components/schemas/{model}"),
        },
    }


def documents() -> dict[str, str]:
    """The generated files: path below the documentation folder -> text."""
    return {
        "schema/events.schema.json": _text(event_schema()),
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
    models = INPUT_MODELS + OUTPUT_MODELS
    _, schema = models_json_schema([(model, "validation") for model in models], ref_template=ref_template)
    definitions: dict[str, Any] = schema["$defs"]
    for model in models:
        definition = definitions[model.__name__]
        # ``kind`` has a default for whoever writes Python; on the wire it is what tells the events apart.
        definition["required"] = ["kind", *definition.get("required", [])]
        if issubclass(model, ClinicalEnvelope):
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
        "messages": {
            _kind(model): {"$ref": f"#/components/messages/{_kind(model)}"}
            for model in INPUT_MODELS + OUTPUT_MODELS
            if _topic(model) == topic
        },
        "bindings": {
            "kafka": {
                "topicConfiguration": {
                    "cleanup.policy": configs["cleanup.policy"].split(","),
                    "retention.ms": int(configs["retention.ms"]),
                    "max.message.bytes": int(configs["max.message.bytes"]),
                }
            }
        },
    }


def _operation(topic: str) -> dict[str, Any]:
    return {
        "action": "receive" if topic in INPUTS else "send",
        "channel": {"$ref": f"#/channels/{topic}"},
        "summary": _PURPOSE[topic],
    }


def _operation_name(topic: str) -> str:
    verb = "receive" if topic in INPUTS else "send"
    return verb + "".join(part.capitalize() for part in topic.split("."))


def _message(model: type[BaseModel], example: BaseModel) -> dict[str, Any]:
    kind = _kind(model)
    return {
        "name": kind,
        "title": kind.replace("_", " ").capitalize(),
        "summary": (model.__doc__ or "").strip().split("\n")[0],
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "examples": [{"payload": example.model_dump(mode="json", exclude_none=True)}],
        "bindings": {"kafka": {"key": {"type": "string", "description": "patient_id"}}},
    }


def _kind(model: type[BaseModel]) -> str:
    return str(model.model_fields["kind"].default)


def _topic(model: type[BaseModel]) -> str:
    return topic_of(model.model_construct())  # type: ignore[arg-type]  # only its kind is looked at


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
