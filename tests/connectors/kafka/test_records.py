"""The topic of a record says which events it may hold."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from connectors.kafka.records import decode_record
from connectors.kafka.topics import topic_of
from twin.events import EVENTS, Alert, BadEvent, Clock, Event, Rejected, encode, kind_of


@pytest.mark.parametrize("event", EVENTS, ids=kind_of)
def test_every_event_is_read_from_its_own_topic(event: type[Event]) -> None:
    example = event.example()
    assert decode_record(topic_of(event), encode(example)) == example


@pytest.mark.parametrize("topic", [topic_of(Alert), topic_of(Rejected)])
def test_what_is_no_output_is_refused_among_outputs(topic: str) -> None:
    with pytest.raises(ValidationError):
        decode_record(topic, encode(Clock.example()))


def test_a_dead_letter_is_none_elsewhere_and_an_alert_no_dead_letter() -> None:
    with pytest.raises(ValidationError):
        decode_record(topic_of(Alert), encode(Rejected.example()))
    with pytest.raises(ValidationError):
        decode_record(topic_of(Rejected), encode(Alert.example()))


def test_what_is_no_input_is_a_bad_event_among_inputs() -> None:
    with pytest.raises(BadEvent) as refused:
        decode_record(topic_of(Clock), encode(Alert.example()))
    assert refused.value.reason == "unknown_kind"
