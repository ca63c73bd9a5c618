"""The generated documents are current, complete, and say the same as the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from connectors.kafka.topics import DEVICES, INPUTS, TOPICS, topic_of
from connectors.schema.asyncapi import asyncapi
from connectors.schema.definitions import event_schema
from connectors.schema.documents import documents, stale, write
from streams.cli import app
from tests.places import ROOT
from twin.events import EVENTS, INPUT_EVENTS, OUTPUT_EVENTS, decode, decode_output, encode, kind_of

if TYPE_CHECKING:
    import jsonschema

DOCS = ROOT / "docs"
EXAMPLES = {kind_of(event): event.example() for event in EVENTS}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    import jsonschema  # which takes a second

    schema = event_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_committed_files_are_current() -> None:
    assert stale(DOCS) == (), "run 'dosetwin schema --write'"


@pytest.mark.slow
def test_a_changed_or_missing_file_is_stale(tmp_path: Path) -> None:
    assert stale(tmp_path) == tuple(documents())
    changed, *_ = write(tmp_path)
    assert stale(tmp_path) == ()
    changed.write_text("{}", encoding="utf-8")
    assert stale(tmp_path) == ("schema/events.schema.json",)


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_example_validates_and_survives_the_wire(kind: str, validator: jsonschema.Draft202012Validator) -> None:
    example = EXAMPLES[kind]
    raw = encode(example)
    validator.validate(json.loads(raw))
    if type(example) in INPUT_EVENTS:
        assert decode(raw) == example
    elif type(example) in OUTPUT_EVENTS:
        assert decode_output(raw) == example
    else:
        assert type(example).model_validate_json(raw) == example


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("pump_delivery", {"rate": {"value": "250", "unit": "mL/h"}}),
        ("pump_delivery", {"phase": "pause"}),
        ("pump_delivery", {"colour": "red"}),
        ("pump_delivery", {"patient_id": "Jane Doe"}),
        ("pump_delivery", {"kind": "pump"}),
        ("lab_result", {"loinc": "751"}),
        ("lab_result", {"status": "corrected"}),
        ("lab_result", {"replaces": "abc"}),
        ("regimen_planned", {"doses": []}),
    ],
)
def test_schema_refuses_what_the_models_refuse(
    kind: str, change: dict[str, Any], validator: jsonschema.Draft202012Validator
) -> None:
    wrong = json.loads(encode(EXAMPLES[kind])) | change
    assert not validator.is_valid(wrong)
    with pytest.raises(ValueError, match=r"field|kind"):
        decode(json.dumps(wrong).encode())


def test_every_reference_in_the_asyncapi_document_resolves() -> None:
    document = asyncapi()
    references = list(_references(document))
    assert len(references) > 50
    for reference in references:
        at: Any = document
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]
        assert isinstance(at, dict)


def test_channels_are_the_topics_and_carry_the_kinds_that_go_there() -> None:
    document = asyncapi()
    assert tuple(document["channels"]) == (*TOPICS, DEVICES)
    assert set(document["channels"][DEVICES]["messages"]) == {"device_word", "device_binding"}
    for kind, example in EXAMPLES.items():
        carrying = [topic for topic, channel in document["channels"].items() if kind in channel["messages"]]
        assert carrying == [topic_of(example)]


def test_inputs_are_received_and_outputs_are_sent() -> None:
    for operation in asyncapi()["operations"].values():
        topic = operation["channel"]["$ref"].removeprefix("#/channels/")
        assert operation["action"] == ("receive" if topic in (*INPUTS, DEVICES) else "send")


def test_message_examples_validate_against_their_own_payload() -> None:
    import jsonschema  # which takes a second

    document = asyncapi()
    for message in document["components"]["messages"].values():
        schema = {"$ref": message["payload"]["$ref"], "components": document["components"]}
        jsonschema.Draft7Validator(schema).validate(message["examples"][0]["payload"])


@pytest.mark.slow
def test_command_prints_checks_and_writes(tmp_path: Path) -> None:
    run = CliRunner()
    assert json.loads(run.invoke(app, ["schema"]).stdout) == event_schema()
    before = run.invoke(app, ["schema", "--check", "--docs", str(tmp_path)])
    assert before.exit_code == 1
    assert "is not current: run 'dosetwin schema --write'" in before.output
    assert run.invoke(app, ["schema", "--write", "--docs", str(tmp_path)]).exit_code == 0
    assert run.invoke(app, ["schema", "--check", "--docs", str(tmp_path)]).exit_code == 0
    assert run.invoke(app, ["schema", "--check", "--write"]).exit_code == 2


def _references(node: Any) -> Any:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
