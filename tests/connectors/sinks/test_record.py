"""What a record says, and the dead letter it becomes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka.topics import ALERTS, ESTIMATES, REJECTED, VITALS
from connectors.sinks.record import Record, dead_letter, event_of
from tests import factories as make
from twin.events import encode


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
        (ESTIMATES, b'{"kind": "estimate"}', "field 'estimate.event_id': Field required"),
        (REJECTED, b"{}", "field 'reason': Field required"),
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
