"""Recorded messages: frames, lines or one document; and mutated ones, which are read or refused."""

from __future__ import annotations

import pytest

from connectors.facts.fact import NotAFact, Subject
from connectors.protocols.hl7.mllp import framed
from connectors.protocols.recorded import messages, readings
from tests.connectors.facts import sources
from tests.connectors.protocols import spoken
from tests.fuzz.messages import examine, run

HL7 = sources.profile("hl7")
FHIR = sources.profile("fhir")
WEARABLE = sources.profile("openmhealth")


def test_a_file_is_a_message_frames_or_lines() -> None:
    one, two = spoken.laboratory(), spoken.MONITOR
    assert list(messages(one, HL7)) == [one]
    assert list(messages(framed(one) + framed(two), HL7)) == [one, two]
    assert list(messages(framed(one) + framed(two)[:-1], HL7)) == [one, two]
    lines = spoken.raw(spoken.observation()) + b"\n\n" + spoken.raw(spoken.cuff()) + b"\n"
    assert list(messages(lines, FHIR)) == [*lines.split(b"\n\n")[:1], lines.split(b"\n\n")[1].strip()]
    pretty = b'{\n "resourceType": "Observation"\n}\n'
    assert list(messages(pretty, FHIR)) == [pretty]


def test_a_frame_that_does_not_end_is_said_and_not_left_out() -> None:
    with pytest.raises(ValueError, match="end"):
        list(messages(framed(spoken.MONITOR) + framed(spoken.laboratory())[:-30], HL7))


@pytest.mark.parametrize("protocol", list(spoken.SOUND))
def test_sound_messages_are_told(protocol: str) -> None:
    assert {examine(raw, sources.profile(protocol)) for raw in spoken.SOUND[protocol]} == {"told"}


def test_a_data_point_needs_somebody_whose_it_is() -> None:
    raw = spoken.raw(spoken.point())
    assert "no_patient" in repr(readings(raw, WEARABLE))
    assert "vital_sample" in repr(readings(raw, WEARABLE, Subject("someone")))


def test_what_nobody_can_read_is_refused_in_each_protocol() -> None:
    for profile in (HL7, FHIR):
        for raw in (b"", b"\x00", b"[]", b"null"):
            with pytest.raises(NotAFact):
                readings(raw, profile)
    assert "malformed" in repr(readings(b"[]", WEARABLE, Subject("someone")))


@pytest.mark.slow
def test_mutated_messages_are_read_or_refused_and_name_nobody() -> None:
    became, wrong = run(400, seed=7)
    assert wrong == []
    assert {what.split()[1] for what in became} == {"told", "refused", "passed", "unreadable"}


@pytest.mark.slow
def test_a_message_of_thousands_of_observations_is_read_in_its_time() -> None:
    obx = "OBX|{n}|NM|147842^MDC_ECG_HEART_RATE^MDC|1.{n}.1.1|88|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F\r"
    long = spoken.MONITOR + "".join(obx.format(n=n) for n in range(4, 3_000)).encode()
    assert len(long) > 200_000
    assert examine(long, HL7) == "told"
