"""Where events go: to their patients, or to the topic of devices."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.kafka.topics import DEVICES, LABS, REJECTED
from connectors.listeners.routes import outgoing
from twin.devices.words import NOBODY, DeviceWord, read_word
from twin.events import (
    DeviceAssociation,
    InputEvent,
    LabResult,
    PumpDelivery,
    PumpTotals,
    Rejected,
    VitalSample,
    decode,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_what_is_a_patients_goes_to_the_topic_of_its_kind() -> None:
    event = LabResult.example()
    topic, key, value = outgoing(event, "w.", NOW)
    assert (topic, key) == (f"w.{LABS}", event.patient_id.encode())
    assert decode(value) == event


@pytest.mark.parametrize("kind", [PumpDelivery, PumpTotals, VitalSample])
def test_what_is_nobodys_is_the_word_of_its_device(kind: type[PumpDelivery | PumpTotals | VitalSample]) -> None:
    event = kind.example().model_copy(update={"patient_id": NOBODY})
    topic, key, value = outgoing(event, "w.", NOW)
    assert (topic, key) == (f"w.{DEVICES}", event.device_id.encode())
    assert read_word(value) == DeviceWord(received_at=NOW, event=event)


def test_a_binding_goes_to_its_device_and_keeps_its_patient() -> None:
    event: InputEvent = DeviceAssociation.example()
    topic, key, value = outgoing(event, "", NOW)
    assert (topic, key) == (DEVICES, DeviceAssociation.example().device_id.encode())
    assert read_word(value) == event


def test_a_dead_letter_of_nobody_has_no_key() -> None:
    letter = Rejected(reason="malformed", detail="no message")
    assert outgoing(letter, "", NOW)[:2] == (REJECTED, None)
