"""Publications: whose they are by their topic, what their user may say, and each document by itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facts.fact import Fact, NotAFact, OwnEvent, Refusal, Subject
from connectors.facts.memory import Memory
from connectors.facts.profile import Profile
from connectors.facts.topics import MqttPart, Topics
from connectors.protocols.published import LONGEST, Published, read_published, readings_again
from tests.connectors.facts import sources
from tests.connectors.protocols import spoken
from tests.connectors.protocols.test_events import raw
from tests.connectors.protocols.test_fields import PROFILE as FIELDS
from tests.connectors.protocols.test_fields import T
from twin.devices.words import NOBODY
from twin.events import decode, encode

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def profile(protocol: str, topic: str, users: dict[str, list[str]] | None = None, **more: Any) -> Profile:
    status = f"{topic}/status" if "{device}" in topic else ""
    part = MqttPart(topic=topic, status=status, users=users or {})
    return sources.profile(protocol, source="wrists", topics=Topics.of(part), **more)


def said(payload: bytes, topic: str = "a/phone/w", **more: Any) -> Published:
    return Published(topic, payload, NOW, **more)


def found(publication: Published, known: Profile, memory: Memory | None = None) -> list[Any]:
    return [one for reading in read_published(publication, known, memory or Memory()) for one in reading.found]


OWN = profile("dosetwin", "a/{user}/{device}")


def test_an_array_and_lines_are_documents_that_stand_alone() -> None:
    parts = [raw(), b'{"kind": "mood"}', raw(event_id="e-2")]
    for publication in (
        said(b"[" + b",".join(parts) + b"]"),
        said(b"\n".join(parts), content_type="Application/x-ndjson; charset=utf-8"),
    ):
        one, two, three = found(publication, OWN)
        assert isinstance(one, OwnEvent)
        assert isinstance(two, Refusal)
        assert isinstance(three, OwnEvent)
        assert (one.place, two.place, three.place) == ("/0 event", "/1 event", "/2 event")


@pytest.mark.parametrize("payload", [b"[", b"[]", b"[" + b"{}," * 1000 + b"{}]", b"x" * (LONGEST + 1)])
def test_what_is_no_payload_is_refused_whole(payload: bytes) -> None:
    with pytest.raises(NotAFact, match="malformed"):
        found(said(payload), OWN)


def test_a_users_facts_are_of_the_patients_that_are_theirs_and_of_their_own_device() -> None:
    known = profile("dosetwin", "a/{user}/{device}", {"phone": ["P-1"], "gw": ["*"]})
    assert isinstance(found(said(raw()), known)[0], OwnEvent)
    (other,) = found(said(raw(patient_id="P-2")), known)
    assert isinstance(other, Refusal)
    assert other.reason == "forbidden"
    with pytest.raises(NotAFact, match="forbidden"):
        found(said(raw(), "a/stranger/w"), known)
    serial = {"kind": "vital_sample", "time": {"at": "/t", "epoch": "ms"}, "fields": {
        "channel": "heart_rate", "device_id": {"at": "/sn"}, "value": {"at": "/hr", "unit": "/min"}}}  # fmt: skip
    mapped = tuple(type(FIELDS.maps[0]).model_validate(one) for one in [serial])
    known = profile("fields", "a/{user}/{device}", {"phone": ["P-1"], "gw": ["*"]}, maps=mapped)
    for user, sn, reason in (("phone", "pump-4", "forbidden"), ("phone", "phone/w", ""), ("gw", "pump-4", "")):
        (one,) = found(said(json.dumps({"t": T, "hr": 72, "sn": sn}).encode(), f"a/{user}/w"), known)
        assert (one.reason if isinstance(one, Refusal) else "") == reason


def test_the_topic_says_whose_data_points_and_documents_are() -> None:
    known = profile("openmhealth", "a/{patient}/{device}")
    (point,) = [one for one in found(said(spoken.SOUND["openmhealth"][0], "a/4711/w"), known) if isinstance(one, Fact)][
        :1
    ]
    assert (point.subject, point.fields["device_id"]) == (Subject("4711"), "w")
    known = profile("fields", "a/{patient}/{device}", maps=FIELDS.maps)
    (fact,) = found(said(json.dumps({"t": T, "hr": 72}).encode(), "a/4711/w"), known)
    assert isinstance(fact, Fact)
    assert fact.subject == Subject("4711")


def test_messages_of_a_hospital_are_read_whole_and_say_themselves_whose_they_are() -> None:
    known = profile("hl7", "a/{user}")
    assert [type(one) for one in found(said(spoken.laboratory(), "a/gw"), known)] == [Fact]
    with pytest.raises(NotAFact):
        found(said(b"?", "a/gw"), known)


def test_what_is_of_a_time_that_has_not_come_is_refused_but_of_a_device_whose_clock_is_set_right() -> None:
    (ahead,) = found(said(raw(time="2026-03-02T09:36:00Z")), OWN)
    assert isinstance(ahead, Refusal)
    assert ahead.reason == "contradictory"
    assert isinstance(found(said(raw(time="2026-03-02T09:34:00Z")), OWN)[0], OwnEvent)
    (word,) = found(said(raw(time="2031-03-02T09:34:00Z", patient_id=..., device_id=...)), OWN)
    assert isinstance(word, OwnEvent)
    assert word.event.patient_id == NOBODY


def test_a_silence_is_of_the_patient_of_whom_the_device_spoke_last() -> None:
    memory = Memory()
    assert not isinstance(found(said(b"offline", "a/phone/w/status"), OWN, memory)[0], OwnEvent)
    found(said(raw()), OWN, memory)
    (back,) = found(said(b"online", "a/phone/w/status"), OWN, memory)
    assert isinstance(back, OwnEvent)
    assert back.event.patient_id == "P-1"


@pytest.mark.parametrize(
    ("test", "patient", "told"),
    [
        (False, "P-1", "P-1"),
        (False, "test-1", ""),
        (True, "test-1", "test-1"),
        (True, "P-1", ""),
        (False, "Eva G.", ""),
    ],
)
def test_the_silence_of_a_test_device_never_reaches_a_patient(test: bool, patient: str, told: str) -> None:
    known = profile("dosetwin", "a/{patient}/{device}", test=test)
    publication = Published(f"a/{patient}/w/status", b"offline", NOW.replace(microsecond=123456))
    if told:
        (alert,) = found(publication, known)
        assert isinstance(alert, OwnEvent)
        assert alert.event.patient_id == told
        assert decode(encode(alert.event)) == alert.event
    else:
        with pytest.raises(NotAFact, match=r"test_message|no_patient"):
            found(publication, known)


@given(st.text(max_size=20), st.binary(max_size=50), st.text(max_size=20))
def test_a_publication_that_is_kept_is_read_again_as_it_came(topic: str, payload: bytes, content_type: str) -> None:
    publication = Published(topic, payload, NOW, content_type)
    assert Published.of(publication.record()) == publication
    assert Published.of(payload) is None


def test_what_was_kept_is_read_again_as_its_source_sends_it() -> None:
    assert readings_again(spoken.laboratory(), sources.profile("hl7"), Memory())
    kept = said(raw()).record()
    assert isinstance(readings_again(kept, OWN, Memory())[0].found[0], OwnEvent)
    with pytest.raises(NotAFact, match="no publication"):
        readings_again(raw(), OWN, Memory())
    (taken_as_said,) = readings_again(kept, sources.profile("dosetwin"), Memory())[0].found
    assert isinstance(taken_as_said, Refusal)
