"""The description of the way in over HTTP: valid, and of every kind that may come in."""

from __future__ import annotations

from connectors.schema.openapi import openapi
from twin.events import INPUT_EVENTS


def test_every_kind_that_comes_in_is_described_and_nothing_that_goes_out() -> None:
    document = openapi()
    kinds = document["components"]["schemas"]["InputEvent"]["oneOf"]
    assert {kind["$ref"].rpartition("/")[2] for kind in kinds} == {event.__name__ for event in INPUT_EVENTS}


def test_an_example_of_each_kind_is_valid_by_it() -> None:
    import jsonschema  # which takes a second

    document = openapi()
    validator = jsonschema.Draft202012Validator(
        {"$ref": "#/components/schemas/InputEvent", "components": document["components"]}
    )
    for event in INPUT_EVENTS:
        validator.validate(event.example().model_dump(mode="json", exclude_none=True))


def test_each_path_says_what_every_answer_means() -> None:
    for path in openapi()["paths"].values():
        assert {"202", "401", "413", "415", "422", "429", "503"} <= set(path["post"]["responses"])
