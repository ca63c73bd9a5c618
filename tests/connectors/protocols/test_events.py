"""Our own events as sources send them: told as they are, once, and only what is the source's to tell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.facts.fact import OwnEvent, Refusal, Subject
from connectors.facts.memory import Memory
from connectors.facts.telling import Teller, Telling
from connectors.protocols.events import read_event
from connectors.protocols.recorded import readings
from tests.connectors.facts import sources
from twin.devices.words import NOBODY

PROFILE = sources.profile("dosetwin", source="wrists")
TEST = sources.profile("dosetwin", source="wrists", test=True)


def raw(**changes: Any) -> bytes:
    said = {
        "kind": "vital_sample", "event_id": "e-1", "patient_id": "P-1", "time": "2026-03-02T08:00:00Z",
        "channel": "heart_rate", "value": {"value": 72.5, "unit": "/min"}, "device_id": "w", "source": "wrists",
    }  # fmt: skip
    return json.dumps({name: value for name, value in (said | changes).items() if value is not ...}).encode()


def test_what_topic_and_profile_say_may_be_left_out() -> None:
    bare = read_event(raw(source=..., device_id=..., patient_id=...), PROFILE, Subject("P-1"), "w")
    assert bare == read_event(raw(), PROFILE)
    assert isinstance(bare, OwnEvent)


def test_a_device_of_nobody_waits_for_its_binding_and_a_laboratory_needs_a_patient() -> None:
    found = read_event(raw(patient_id=...), PROFILE)
    assert isinstance(found, OwnEvent)
    assert found.event.patient_id == NOBODY
    result = read_event(raw(kind="lab_result", patient_id=...), PROFILE)
    assert isinstance(result, Refusal)
    assert result.reason == "no_patient"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"{", "malformed"),
        (b"\xff", "malformed"),
        (b"[]", "malformed"),
        (b"{" * 100_000, "malformed"),
        (raw()[:-1] + b', "event_id": "e-2"}', "malformed"),
        (raw(source=...)[:-1] + b', "event_id": "e-2"}', "malformed"),
        (raw(kind="mood"), "unsupported"),
        (raw(kind=[]), "unsupported"),
        (raw(name="Geheimnis"), "malformed"),
        (raw(time="2026-03-02T08:00:00"), "malformed"),
        (raw(kind="clock", value=..., channel=..., device_id=...), "forbidden"),
        (raw(source="lab-east"), "forbidden"),
        (raw(source="wrists-2"), "forbidden"),
        (raw(patient_id=NOBODY), "no_patient"),
        (raw(patient_id="test-1"), "test_message"),
    ],
)
def test_what_it_may_not_say_is_refused_without_naming_anybody(said: bytes, reason: str) -> None:
    found = read_event(said, PROFILE)
    assert isinstance(found, Refusal)
    assert (found.reason, found.place) == (reason, "event")
    assert "Geheimnis" not in found.detail


def test_topic_and_event_say_the_same_patient_and_device() -> None:
    other = read_event(raw(), PROFILE, Subject("P-2"))
    assert isinstance(other, Refusal)
    assert other.reason == "forbidden"
    assert [
        type(read_event(raw(device_id=said), PROFILE, None, "phone/w")) for said in ("w", "phone/w", "phone/w/2")
    ] == [OwnEvent] * 3
    assert isinstance(read_event(raw(device_id="v"), PROFILE, None, "phone/w"), Refusal)
    assert isinstance(read_event(raw(device_id="w", patient_id=...), PROFILE, None, "phone/w"), Refusal)


def test_a_source_of_tests_has_other_patients() -> None:
    assert isinstance(read_event(raw(patient_id="test-1"), TEST), OwnEvent)
    found = read_event(raw(), TEST)
    assert isinstance(found, Refusal)
    assert found.reason == "test_message"


def test_an_event_is_told_once_and_an_id_that_says_something_else_is_refused() -> None:
    teller = Teller(PROFILE, Memory())
    value = {"value": 80.0, "unit": "/min"}
    told = [
        outcome
        for said in (
            raw(),
            raw(),
            raw(value=value),
            raw(event_id="e-2", value=value, status="corrected", replaces="e-1"),
        )
        for reading in readings(said, PROFILE)
        for outcome in teller.tell(reading)
    ]
    assert [len(one.events) if isinstance(one, Telling) else one for one in told[:2]] == [1, 0]
    assert isinstance(told[2], Refusal)
    assert told[2].reason == "contradictory"
    assert isinstance(told[3], Telling)
    assert told[3].events[0].event_id == "e-2"
