"""The topic of a record says which events it may hold; what it cannot hold becomes a dead letter."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.kafka.records import Record, dead_letter, decode_record, event_of
from connectors.kafka.topics import ALERTS, ESTIMATES, REJECTED, REJECTED_BYTES, VITALS, topic_of
from tests import factories as make
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


def record(topic: str, value: bytes) -> Record:
    return Record(topic, 1, 7, 0, b"P-1", value)


@pytest.mark.parametrize(
    ("topic", "event"),
    [(ESTIMATES, make.estimate()), (ALERTS, make.alert()), (VITALS, make.vital()), (REJECTED, make.rejected())],
)
def test_a_record_is_the_event_of_its_topic(topic: str, event: object) -> None:
    assert event_of(record(topic, encode(event))) == event  # type: ignore[arg-type]


def test_an_input_that_cannot_be_used_is_left_to_the_worker() -> None:
    assert event_of(record(VITALS, b"no event")) is None


@pytest.mark.parametrize(
    ("topic", "value", "message"),
    [
        (ESTIMATES, b"", "field 'event': Invalid JSON"),
        (ALERTS, b"\xff", "field 'event': Invalid JSON"),
        (ESTIMATES, b"[" * 100_000, "field 'event': Invalid JSON: recursion limit"),
        (ESTIMATES, b'{"kind": "alert", "x": "\\ud800"}', "field 'event': Invalid JSON"),
        (ESTIMATES, b'{"kind": "estimate"}', "field 'estimate.event_id': Field required"),
        (REJECTED, b"{}", "field 'reason': Field required"),
        (
            REJECTED,
            encode(make.rejected(offset=5)).replace(b'"offset":5', b'"offset":' + b"9" * 400),
            "field 'offset': ",
        ),
    ],
)
def test_what_is_no_event_of_its_topic_names_the_field(topic: str, value: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        event_of(record(topic, value))


def test_a_dead_letter_says_where_the_record_stands_and_whom_it_is_about() -> None:
    event = make.estimate("P-9")
    letter = dead_letter(record(ESTIMATES, encode(event)), "x_refused", "too old", "ward1.")
    assert (letter.topic, letter.partition, letter.offset) == ("ward1." + ESTIMATES, 1, 7)
    assert (letter.reason, letter.detail) == ("x_refused", "too old")
    assert (letter.patient_id, letter.event_id) == ("P-9", event.event_id)


@given(st.binary(max_size=200) | st.sampled_from([b"[]", b"3", b'{"patient_id": 3}', b'{"patient_id": null}']))
def test_whatever_a_record_holds_its_dead_letter_has_its_bytes(value: bytes) -> None:
    letter = dead_letter(record(ESTIMATES, value), "x_refused", "odd")
    assert base64.b64decode(letter.original_base64 or "") == value
    assert letter.patient_id is None


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 100_000,
        b'{"patient_id": "\\ud800"}',
        b'{"patient_id": "Hans Mueller"}',
        b'{"patient_id": "' + b"P" * 5_000 + b'"}',
        b'{"event_id": ' + b"9" * 10_000 + b"}",
    ],
    ids=["deep", "half a character", "a name", "long", "a long number"],
)
def test_a_dead_letter_is_made_of_any_bytes_and_names_only_what_may_be_named(value: bytes) -> None:
    letter = dead_letter(record(ESTIMATES, value), "bad_output", "x" * 100_000)
    assert Rejected.model_validate_json(encode(letter)) == letter
    assert (letter.patient_id, letter.event_id) == (None, None)
    assert len(letter.detail) <= 4_000


def test_a_dead_letter_fits_its_topic_whatever_it_is_about() -> None:
    letter = dead_letter(record(ESTIMATES, b"x" * REJECTED_BYTES), "bad_output", "odd")
    assert len(encode(letter)) < REJECTED_BYTES
    assert (letter.original_base64, letter.offset) == (None, 7)
    assert "its bytes stand at its offset" in letter.detail
