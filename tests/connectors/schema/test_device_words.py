"""The schema of a device's word takes and refuses what is read of one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from connectors.schema.device_words import example, word_schema
from tests.twin.devices.said import on_the_wire, word
from twin.devices.words import read_word
from twin.events import BadEvent

if TYPE_CHECKING:
    import jsonschema


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    import jsonschema  # which takes a second

    return jsonschema.Draft202012Validator(word_schema())


def test_the_example_and_what_devices_send_are_taken(schema: jsonschema.Draft202012Validator) -> None:
    for said in (example(), json.loads(on_the_wire(word("w", 5)))):
        schema.validate(said)
        read_word(json.dumps(said).encode())


@pytest.mark.parametrize(
    "change",
    [{"patient_id": "P-1"}, {"colour": "red"}, {"device_id": None}, {"kind": "dose_given"}, {"time": "yesterday"}],
)
def test_what_is_no_word_is_refused_by_both(change: dict[str, Any], schema: jsonschema.Draft202012Validator) -> None:
    said = example()
    said["event"] = {name: value for name, value in (said["event"] | change).items() if value is not None}
    assert not schema.is_valid(said)
    with pytest.raises(BadEvent):
        read_word(json.dumps(said).encode())
