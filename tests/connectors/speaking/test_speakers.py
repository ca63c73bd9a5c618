"""A lane's events keep their order, whichever way each goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.feeds.stream import Measured, Spoken, TimedEvent
from connectors.speaking.counts import Counts
from connectors.speaking.http import HttpSender
from connectors.speaking.mllp import MllpSender
from connectors.speaking.mqtt import TOPIC, MqttSender
from connectors.speaking.speakers import FhirSpeaker, Hl7Speaker, HttpSpeaker, MqttSpeaker, speaker_of
from twin.events import Clock, Enrolment, LabResult, to_millis

COUNT, CLOCK, ENROLMENT = LabResult.example(), Clock.example(), Enrolment.example()


def spoken(folder: Path, protocol: str, to: str) -> Spoken:
    measured = (Measured("lab_result", "neutrophils", "10*9/L"),)
    return Spoken(protocol, to, folder, (COUNT.patient_id,), (COUNT.source, CLOCK.source), (), measured)


def test_hl7_says_what_it_can_and_the_rest_goes_plainly_in_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(MllpSender, "send", lambda _, kind, text: said.append(f"{kind} {len(text) > 0}"))
    opens = speaker_of(spoken(tmp_path, "hl7", "127.0.0.1:1"))
    speaker = opens(lambda events: said.extend(str(e.kind) for e in events), lambda: False, Counts(print))
    assert isinstance(speaker, Hl7Speaker)
    speaker.say([TimedEvent(to_millis(e.time), e) for e in (ENROLMENT, CLOCK, COUNT, COUNT, CLOCK)])
    speaker.close()
    assert said == ["enrolment", "clock", "ORU^R01 True", "ORU^R01 True", "clock"]


@pytest.mark.parametrize(("path", "ways"), [("", ["message"]), ("/fhir", ["put"])])
def test_fhir_goes_to_a_way_in_or_onto_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, ways: list[str]
) -> None:
    said: list[str] = []
    for way in ("message", "put"):
        monkeypatch.setattr(HttpSender, way, lambda *_, way=way: said.append(way))
    opens = speaker_of(spoken(tmp_path, "fhir", f"http://127.0.0.1:1{path}"))
    speaker = opens(lambda events: said.extend(str(e.kind) for e in events), lambda: False, Counts(print))
    assert isinstance(speaker, FhirSpeaker)
    speaker.say([TimedEvent(to_millis(e.time), e) for e in (CLOCK, COUNT)])
    speaker.close()
    assert said == ["clock", *ways]


def test_mqtt_publishes_and_the_rest_goes_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(MqttSender, "send", lambda _, publication: said.append(publication.topic))
    opens = speaker_of(spoken(tmp_path, "mqtt", "127.0.0.1:1"))
    speaker = opens(lambda events: said.extend(str(e.kind) for e in events), lambda: False, Counts(print))
    assert isinstance(speaker, MqttSpeaker)
    speaker.say([TimedEvent(to_millis(e.time), e) for e in (CLOCK, COUNT)])
    speaker.close()
    assert said == ["clock", TOPIC + COUNT.patient_id]


def test_http_says_everything(tmp_path: Path) -> None:
    opens = speaker_of(spoken(tmp_path, "http", "http://127.0.0.1:1"))
    speaker = opens(lambda _: pytest.fail("said plainly"), lambda: True, Counts(print))
    assert isinstance(speaker, HttpSpeaker)
    speaker.say([TimedEvent(to_millis(CLOCK.time), CLOCK)])
    speaker.close()
