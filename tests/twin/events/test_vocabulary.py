"""Every kind of event says all of itself, and no two are one kind."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, get_args

import pytest

from twin.events import (
    EVENTS,
    INPUT_EVENTS,
    OUTPUT_EVENTS,
    Clock,
    Estimate,
    Event,
    Heartbeat,
    Measurement,
    OutputEvent,
    Posterior,
    Rejected,
    channels,
    decode,
    decode_output,
    encode,
    kind_of,
)
from twin.events.vocabulary import complete, told_apart


class Whole(OutputEvent):
    """A kind that says all of itself."""

    sent_on: ClassVar[channels.Channel] = channels.ESTIMATES
    replay_file: ClassVar[str] = "whole.ndjson"
    kind: Literal["whole"] = "whole"

    @classmethod
    def example(cls) -> Self:
        raise NotImplementedError


def test_every_kind_is_an_input_an_output_a_heartbeat_a_posterior_or_the_dead_letter() -> None:
    assert {*INPUT_EVENTS, *OUTPUT_EVENTS, Heartbeat, Posterior, Rejected} == set(EVENTS)
    assert len(INPUT_EVENTS) + len(OUTPUT_EVENTS) + 3 == len(EVENTS)
    assert Clock in INPUT_EVENTS
    assert Estimate in OUTPUT_EVENTS
    assert Measurement not in EVENTS


@pytest.mark.parametrize("event", EVENTS, ids=kind_of)
def test_a_kind_is_the_name_of_its_class_in_small_letters(event: type[Event]) -> None:
    assert get_args(event.model_fields["kind"].annotation) == (kind_of(event),)
    assert kind_of(event).replace("_", "") == event.__name__.lower()


def test_an_output_stands_in_a_file_of_its_name() -> None:
    for event in (*OUTPUT_EVENTS, Heartbeat, Rejected):
        assert event.__module__ == f"twin.events.outputs.{kind_of(event)}"


@pytest.mark.parametrize("event", [*INPUT_EVENTS, *OUTPUT_EVENTS], ids=kind_of)
def test_an_example_survives_the_wire(event: type[Event]) -> None:
    example = event.example()
    assert example.kind == kind_of(event)
    assert (decode if event in INPUT_EVENTS else decode_output)(encode(example)) == example


def test_examples_have_ids_of_their_own() -> None:
    ids = [example.event_id for event in (*INPUT_EVENTS, *OUTPUT_EVENTS) if (example := event.example())]
    assert len(set(ids)) == len(ids)


def test_a_kind_that_says_all_is_taken_as_it_is() -> None:
    assert complete(Whole) is Whole


def test_a_kind_that_keeps_something_back_is_refused_with_what_it_lacks() -> None:
    class Bare(OutputEvent):
        kind: Literal["bare"]  # type: ignore[misc]

    with pytest.raises(TypeError) as refused:
        complete(Bare)
    assert str(refused.value) == (
        f"event {__name__}.Bare lacks docstring, sent_on, example(), default of its kind, replay_file; "
        "say it in the class"
    )


def test_two_classes_of_one_kind_are_refused() -> None:
    class Twice(Whole):
        """Another class of the same kind."""

    with pytest.raises(TypeError, match=rf"Whole and {__name__}.Twice are both of kind 'whole'; give one another kind"):
        told_apart((Whole, Twice))


@pytest.mark.parametrize("event", EVENTS, ids=kind_of)
def test_fields_that_a_class_says_of_itself_are_not_on_the_wire(event: Any) -> None:
    assert not {"sent_on", "replay_file"} & set(event.model_fields)
