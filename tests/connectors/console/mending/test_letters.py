"""Dead letters seen, mended and sent again, on a real Kafka."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest

from connectors.access.roles import WHOEVER, Who
from connectors.console.mending.letters import CannotMend, UnknownLetter, letter_to_send, shown_letters
from connectors.kafka.clients import kept_records, open_producer
from connectors.kafka.dead_letters import send_again
from connectors.kafka.topics import LABS, REJECTED, ensure_topics
from connectors.settings import Settings, SettingsError
from twin.events import LabResult, Rejected, encode

GROUP = Who("engineer-2", "engineer", ("P-2",))
LAB = LabResult.example().model_copy(update={"patient_id": "P-1"})
BROKEN = json.loads(encode(LAB)) | {"value": {"value": 1.2, "unit": "furlongs"}}


@pytest.fixture(scope="module")
def settings(kafka: str) -> Settings:
    """A ward with a letter of P-1, one of nobody without bytes, and one of P-2."""
    settings = Settings(kafka=kafka, topic_prefix=f"m{uuid.uuid4().hex[:8]}.", partitions=1)
    ensure_topics(kafka, settings.topic_prefix, 1, (REJECTED, LABS))
    producer = open_producer(kafka, acks="all")
    for patient, original in (("P-1", json.dumps(BROKEN)), (None, None), ("P-2", "{")):
        letter = Rejected(
            reason="unknown_unit",
            detail="field 'value.unit': 'furlongs'",
            patient_id=patient,
            topic=settings.topic_prefix + LABS,
            partition=0,
            offset=7,
            original_base64=None if original is None else base64.b64encode(original.encode()).decode(),
        )
        producer.send(settings.topic_prefix + REJECTED, encode(letter), key=(patient or "").encode())
    producer.flush()
    producer.close()
    return settings


def came(settings: Settings) -> list[tuple[bytes, Any]]:
    """Key and content of what stands on the topic of labs."""
    from kafka import TopicPartition

    place = TopicPartition(settings.topic_prefix + LABS, 0)
    return [(record.key, json.loads(record.value)) for record in kept_records(settings.kafka, [place])]


def test_letters_are_shown_with_what_came_the_newest_first_to_whom_they_concern(settings: Settings) -> None:
    shown = shown_letters(settings, WHOEVER)
    assert [one.place for one in shown] == ["0-2", "0-1", "0-0"]
    assert json.loads(shown[2].original or "") == BROKEN
    assert (shown[2].stays, shown[1].stays) == ("", "it holds no bytes: they stand at its offset")
    assert [one.patient_id for one in shown_letters(settings, GROUP)] == ["P-2", None]


def test_a_letter_goes_again_as_it_came_and_mended_under_the_key_of_its_patient(settings: Settings) -> None:
    for mended in (None, encode(LAB).decode()):
        send_again(settings, [letter_to_send(settings, WHOEVER, "0-0", mended)])
    assert came(settings) == [(b"P-1", BROKEN), (b"P-1", json.loads(encode(LAB)))]


def test_a_topic_with_fewer_partitions_than_the_settings_say_is_named_with_both_numbers(settings: Settings) -> None:
    more = settings.model_copy(update={"partitions": 4})
    named = f"topic {settings.topic_prefix}{REJECTED} has 1 partitions, and there is none of number 1"
    with pytest.raises(SettingsError, match=f"{named}: set DOSETWIN_PARTITIONS=1"):
        shown_letters(more, WHOEVER)


def refused(settings: Settings, who: Who, place: str, mended: str | None) -> str:
    with pytest.raises(CannotMend) as refusal:
        letter_to_send(settings, who, place, mended)
    return str(refusal.value)


def test_what_cannot_be_sent_is_refused_with_the_field_and_its_mend(settings: Settings) -> None:
    assert refused(settings, WHOEVER, "0-1", None) == "it holds no bytes: they stand at its offset"
    assert refused(settings, WHOEVER, "0-0", "{").startswith("field 'original': ")
    assert "comes on clinical.orders, and not on clinical.labs" in refused(settings, WHOEVER, "0-0", _order())
    assert refused(settings, GROUP, "0-2", encode(LAB).decode()) == ("field 'original': patient 'P-1' is none of yours")
    assert "at most 20000 can be mended here" in refused(settings, WHOEVER, "0-0", " " * 20_001)
    for who, place in ((WHOEVER, "0-9"), (GROUP, "0-0"), (WHOEVER, "../x")):
        with pytest.raises(UnknownLetter):
            letter_to_send(settings, who, place, None)


def _order() -> str:
    from twin.events import DoseGiven

    return encode(DoseGiven.example()).decode()
