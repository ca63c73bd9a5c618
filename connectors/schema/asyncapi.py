"""An AsyncAPI 3 description of the topics: what comes in and goes out on each, and how it is kept."""

from __future__ import annotations

from typing import Any

from connectors.kafka.topics import DEVICES, INPUTS, TOPICS, topic_configs, topic_of
from connectors.schema import device_words
from connectors.schema.definitions import VERSION, definitions
from twin.events import EVENTS, DeviceAssociation, Event, channels, kind_of
from twin.registry import summary_of

_PURPOSE = {event.sent_on.name: event.sent_on.purpose for event in EVENTS} | {DEVICES: channels.DEVICES.purpose}
_CHANNELS = (*TOPICS, DEVICES)


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0 document: a channel for each topic, a message for each kind of event."""
    reference = "#/components/schemas/{model}"
    schemas = definitions(reference)
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
