"""The row of who was erased tells nothing of the patient, and refuses without alarm what comes later."""

from __future__ import annotations

from streams.worker.engine import KafkaRecord
from streams.worker.processor import EventProcessor
from streams.worker.records.received import ReceivedEvent
from streams.worker.rows.erased import erased_key, erased_row, without_patient
from tests.streams.worker.fake_twin import FakeTwins
from tests.streams.worker.stage import lab
from twin.events import encode


def test_the_row_and_its_key_name_nobody_and_differ_only_by_the_key() -> None:
    assert b"P-0009" not in erased_row() + erased_key(b"P-0009")
    assert erased_key(b"P-0009") != erased_key(b"P-0010")


def test_events_of_an_erased_patient_are_refused_and_nothing_is_to_be_mended() -> None:
    processor = EventProcessor(FakeTwins())
    state = processor.open("P-0009", erased_row())
    event = lab("P-0009", 1)
    outcome = processor.handle(state, [ReceivedEvent(event, KafkaRecord("t", 0, 3, 0, None, encode(event)))])
    assert ([letter.reason for letter in outcome.rejected], state.trouble) == (["erased"], "")
    told = encode(without_patient(outcome.rejected[0]))
    assert b"P-0009" not in told
    assert b'"offset":3' in told
