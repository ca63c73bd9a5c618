"""A device's word is read without a patient, and what is none is refused with the field and the mend."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.devices.said import bound, word
from twin.devices.words import NOBODY, DeviceWord, read_word
from twin.events import BadEvent, DeviceAlert, DoseGiven, encode


def written(without: tuple[str, ...] = ("patient_id",), **changes: Any) -> bytes:
    """The bytes of a word."""
    said = json.loads(word("w", 5).model_dump_json(exclude_none=True))
    event = {name: value for name, value in said["event"].items() if name not in without}
    return json.dumps({**said, "event": event | changes}).encode()


def test_a_word_and_a_binding_are_read() -> None:
    assert read_word(encode(bound("A", 0, source="event"))) == bound("A", 0, source="event")
    assert read_word(written()) == word("w", 5)
    assert read_word(encode(bound("A", 0))) == bound("A", 0)


def test_a_pump_may_say_that_something_is_wrong_with_it() -> None:
    said = json.loads(DeviceAlert.example().model_dump_json(exclude_none=True, exclude={"patient_id"}))
    found = read_word(json.dumps({"received_at": "2026-03-02T09:00:00Z", "event": said}).encode())
    assert isinstance(found, DeviceWord)
    assert found.event == DeviceAlert.example().model_copy(update={"patient_id": NOBODY})


@pytest.mark.parametrize(
    ("raw", "reason", "said"),
    [
        (b"{", "malformed_json", "JSON"),
        (written(without=()), "invalid_event", "field 'event.patient_id': whose a device is, its bindings say"),
        (written(kind="dose_given"), "unknown_kind", "field 'event.kind' 'dose_given': a device says pump_delivery"),
        (written(rate=5), "invalid_event", "rate"),
        (b'{"received_at": "yesterday", "event": {}}', "invalid_event", "field 'received_at': "),
        (
            b'{"event": {}}',
            "invalid_event",
            "field 'received_at': Field required; a device's word has",
        ),
        (b'{"received_at": "2026-03-02T09:00:00Z", "event": 5}', "invalid_event", "field 'event': "),
        (b'{"received_at": "2026-03-02T09:00:00Z", "event": {}, "x": 7}', "invalid_event", "field 'x': "),
        (b"[]", "invalid_event", "(got [])"),
        (b"{}", "unknown_kind", "kind"),
        (encode(DoseGiven.example()), "unknown_kind", "has 'received_at' and 'event'"),
        (b" " * 2_000_000, "too_large", "the limit is"),
    ],
)
def test_what_is_no_word_is_refused(raw: bytes, reason: str, said: str) -> None:
    with pytest.raises(BadEvent) as refused:
        read_word(raw)
    assert refused.value.reason == reason
    assert said in str(refused.value)


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_a_word_or_refused(raw: bytes) -> None:
    with pytest.raises(BadEvent):
        read_word(raw)
