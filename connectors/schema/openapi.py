"""An OpenAPI 3.1 description of the way in over HTTP."""

from __future__ import annotations

from typing import Any

from connectors.schema.definitions import VERSION, definitions
from twin.events import INPUT_EVENTS

_PROBLEM = {
    "type": "object",
    "description": "What is wrong with the request as a whole (RFC 9457).",
    "required": ["status", "title", "detail"],
    "properties": {
        "type": {"type": "string"},
        "status": {"type": "integer"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
    },
}

_RESULTS = {
    "type": "object",
    "required": ["accepted", "results"],
    "properties": {
        "accepted": {"type": "integer", "description": "events that Kafka has"},
        "results": {
            "type": "array",
            "description": "what became of each item, in order; an item is a JSON pointer (RFC 6901)",
            "items": {
                "type": "object",
                "required": ["status"],
                "properties": {
                    "status": {"enum": ["accepted", "refused", "repeated", "passed"]},
                    "item": {"type": "string"},
                    "place": {"type": "string"},
                    "event_id": {"type": "string"},
                    "event_ids": {"type": "array", "items": {"type": "string"}},
                    "reason": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}

_REFUSALS = {
    "400": "not what content-type or content-encoding say",
    "401": "no token or signature that is known",
    "403": "not this source's to send",
    "413": "too large, or too many events",
    "415": "a type or encoding that is not read",
    "422": "the one event of the request, or the message as a whole, cannot be used",
    "429": "more than this source may send: come again after Retry-After seconds with all of it",
    "503": "Kafka has not confirmed it: send it again as it is after Retry-After seconds",
}

_SIGNED = {
    "type": "apiKey",
    "in": "header",
    "name": "webhook-signature",
    "description": "a message signed as Standard Webhooks are, with webhook-id and webhook-timestamp",
}


def openapi() -> dict[str, Any]:
    """The document: a path for our own events and one for messages of hospitals' protocols."""
    schemas = definitions("#/components/schemas/{model}")
    events = [{"$ref": f"#/components/schemas/{event.__name__}"} for event in INPUT_EVENTS]
    schemas["InputEvent"] = {"oneOf": events}
    one = {"$ref": "#/components/schemas/InputEvent"}
    own = {
        "application/json": {"schema": {"oneOf": [one, {"type": "array", "items": one, "minItems": 1}]}},
        "application/x-ndjson": {"schema": {"type": "string", "description": "one event a line"}},
    }
    messages = {
        "application/hl7-v2+er7": {"schema": {"type": "string", "format": "binary"}},
        "application/fhir+json": {"schema": {"type": "object"}},
        "application/json": {"schema": {"type": "object", "description": "a data point of Open mHealth"}},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dosetwin, the way in over HTTP",
            "version": VERSION,
            "description": "Every request is answered when Kafka has what it tells. It never commands a pump.",
        },
        "security": [{"token": []}, {"signed": []}],
        "paths": {
            "/v1/events": {"post": _post("send_events", "Send our own events; each is known by its event_id.", own)},
            "/v1/messages": {"post": _post("send_message", "Send a message, read by the source's profile.", messages)},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}, "signed": _SIGNED},
            "schemas": schemas | {"Problem": _PROBLEM, "Results": _RESULTS},
        },
    }


def _post(name: str, says: str, content: dict[str, Any]) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    results = {"application/json": {"schema": {"$ref": "#/components/schemas/Results"}}}
    refusals = {code: {"description": text, "content": problem} for code, text in _REFUSALS.items()}
    return {
        "operationId": name,
        "summary": says,
        "requestBody": {"required": True, "content": content},
        "responses": {"202": {"description": "what became of each item", "content": results}, **refusals},
    }
