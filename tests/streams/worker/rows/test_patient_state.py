from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.privacy.master_key import KeysUnusable
from connectors.privacy.patient_keys import PatientKeys, create_store
from streams.worker.engine import KafkaRecord
from streams.worker.processor import EventProcessor, Outcome
from streams.worker.records.received import ReceivedEvent
from streams.worker.rows.patient_state import LARGEST_ROW, TOPIC_BYTES, PatientState
from streams.worker.rows.state_row import decode_row, encode_row, of_term
from streams.worker.twin_factory import LibraryTwins
from tests.streams.worker.fake_twin import FakeTwins
from tests.streams.worker.stage import START, enrolment, lab, pump
from twin.events import Alert, InputEvent, decode_output, encode, to_millis

REAL = "docetaxel_ozawa2007"


@dataclass
class Ward:
    """A processor, and one patient's events at consecutive offsets of one topic."""

    processor: EventProcessor
    state: PatientState
    offset: int = -1

    def feed(self, *events: InputEvent) -> Outcome:
        return self.processor.handle(self.state, self.arrivals(*events))

    def arrivals(self, *events: InputEvent) -> list[ReceivedEvent]:
        first, self.offset = self.offset + 1, self.offset + len(events)
        return [
            ReceivedEvent(event, KafkaRecord("t", 0, first + number, to_millis(START), None, encode(event)))
            for number, event in enumerate(events)
        ]

    def restart(self, row: bytes | None = None) -> None:
        self.state = self.processor.open("A", self.processor.row(self.state) if row is None else row)


@pytest.fixture
def twins() -> FakeTwins:
    return FakeTwins()


@pytest.fixture
def ward(twins: FakeTwins) -> Ward:
    processor = EventProcessor(twins)
    ward = Ward(processor, processor.open("A", None))
    ward.feed(enrolment("A"))
    return ward


def reasons(outcome: Outcome) -> list[str]:
    return [letter.reason for letter in outcome.rejected]


def test_a_corrupt_row_seals_the_patient_and_its_events_are_refused(ward: Ward) -> None:
    row = bytearray(ward.processor.row(ward.state))
    row[-3] ^= 1
    with capture_logs() as logs:
        ward.restart(bytes(row))
    assert [log["reason"] for log in logs] == ["bad_state_row"]
    assert "patient_id" not in str(logs)
    assert reasons(ward.feed(lab("A", 1))) == ["bad_state_row"]
    assert not ward.processor.take(ward.state, ward.arrivals(pump("A", 1))[0], level=True)


def test_a_twin_made_by_another_version_of_its_model_is_not_continued(ward: Ward, twins: FakeTwins) -> None:
    row = ward.processor.row(ward.state)
    twins.hash = "fake-hash-2"
    ward.restart(row)
    outcome = ward.feed(lab("A", 1))
    assert reasons(outcome) == ["model_changed"]
    assert "fake-hash-2" in outcome.rejected[0].detail


def test_a_twin_whose_model_file_is_gone_is_not_continued(ward: Ward) -> None:
    ward.state.model_id = "removed_model"
    ward.restart()
    assert reasons(ward.feed(lab("A", 1))) == ["model_changed"]


def test_a_row_beyond_the_limit_becomes_a_small_one_that_seals_this_patient(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LARGEST_ROW < TOPIC_BYTES
    ward.feed(*(lab("A", minute) for minute in range(20)), lab("A", 20, value=0.1))
    whole = ward.processor.row(ward.state)
    monkeypatch.setattr("streams.worker.rows.patient_state.LARGEST_ROW", len(whole) - 1)
    small = ward.processor.row(ward.state)
    stored = decode_row(small)
    assert len(small) < len(whole) / 3
    assert stored.sealed is not None
    assert stored.sealed[0] == "row_too_large"
    assert (stored.twin, stored.applied, stored.model_id) == (b"", (("t", 0, 21),), ward.state.model_id)
    alert = decode_output(stored.outbox[0])
    assert isinstance(alert, Alert), "what was decided before is still to be published"
    for _ in range(2):
        assert reasons(ward.feed(lab("A", 21))) == ["row_too_large"]
        ward.restart(small)
    assert not ward.state.contains(KafkaRecord("t", 0, 22, 0, None, b""))
    assert ward.processor.open("B", None).quarantined is None


def test_what_waits_is_left_out_where_even_the_small_row_would_be_too_large(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.feed(*(lab("A", minute, value=0.1) for minute in range(20)))
    monkeypatch.setattr("streams.worker.rows.patient_state.LARGEST_ROW", 500)
    stored = decode_row(ward.processor.row(ward.state))
    assert (stored.outbox, stored.sealed is not None) == ((), True)


# --- input topics that are not what they were -------------------------------------------------------------------------


def test_offsets_of_a_topic_that_was_made_anew_are_not_taken_for_applied(ward: Ward) -> None:
    ward.processor.inputs.ids = {"t": "first"}
    ward.feed(lab("A", 1), lab("A", 2))
    ward.restart()
    assert ward.state.applied == {("t", 0): 2}
    row = ward.processor.row(ward.state)
    ward.processor.inputs.ids = {"t": "second"}
    with capture_logs() as logs:
        ward.restart(row)
        ward.restart(row)
    assert [log["topic"] for log in logs] == ["t"], "said once, not for each patient"
    assert ward.state.applied == {}
    ward.offset = -1
    assert ward.feed(lab("A", 1), lab("A", 3)).rejected == []
    assert ward.state.applied == {("t", 0): 1}
    ward.restart()
    assert ward.state.applied == {("t", 0): 1}


def test_offsets_of_a_log_whose_end_was_lost_are_not_taken_for_applied_but_those_after_are(ward: Ward) -> None:
    row = ward.processor.row(ward.state)
    ward.processor.inputs.cut = {("t", 0): 7}
    ward.restart(of_term(row, 6))
    assert ward.state.applied == {}
    ward.restart(of_term(row, 7))
    assert ward.state.applied == {("t", 0): 0}


def test_a_row_without_known_topics_is_taken_as_it_is(ward: Ward) -> None:
    row = encode_row(decode_row(ward.processor.row(ward.state)))
    ward.processor.inputs.ids = {"t": "first"}
    ward.restart(row)
    assert ward.state.applied == {("t", 0): 0}


# --- twins of the library ---------------------------------------------------------------------------------------------


def real_ward(particles: int = 32) -> Ward:
    processor = EventProcessor(LibraryTwins(particles=particles))
    ward = Ward(processor, processor.open("A", None))
    ward.feed(enrolment("A", model=REAL))
    return ward


def test_twins_of_another_size_go_on_as_they_are_and_it_is_said_once() -> None:
    row = real_ward().processor.row(real_ward().state)
    other = EventProcessor(LibraryTwins(particles=64))
    with capture_logs() as logs:
        states = [other.open("A", row) for _ in range(2)]
    assert [(log["particles"], log["setting"]) for log in logs] == [(32, 64)]
    assert all(state.quarantined is None for state in states)


def locked_ward(twins: FakeTwins, store: Path) -> Ward:
    processor = EventProcessor(twins, keys=PatientKeys(store, b"m" * 32))
    ward = Ward(processor, processor.open("A", None))
    ward.feed(enrolment("A"), lab("A", 1))
    return ward


@pytest.fixture
def store(tmp_path: Path) -> Path:
    create_store(tmp_path / "keys", b"m" * 32)
    return tmp_path / "keys"


def test_with_keys_two_workers_write_the_same_bytes_and_either_goes_on_from_them(twins: FakeTwins, store: Path) -> None:
    one, other = locked_ward(twins, store), locked_ward(twins, store)
    row = one.processor.row(one.state)
    assert row == other.processor.row(other.state)
    assert b"neutrophils" not in row
    for ward in (one, other):
        ward.restart(row)
        ward.feed(lab("A", 2))
    assert one.processor.row(one.state) == other.processor.row(other.state) != row


def test_a_row_whose_key_is_lost_seals_and_one_whose_key_was_destroyed_is_erased(twins: FakeTwins, store: Path) -> None:
    row = (ward := locked_ward(twins, store)).processor.row(ward.state)
    (key,) = store.glob("patients/??/*")
    kept = key.read_bytes()
    key.unlink()
    other = EventProcessor(twins, keys=PatientKeys(store, b"m" * 32)).open("A", row)
    assert other.quarantined is not None
    assert (other.quarantined[0], "put the file back from its back-up" in other.quarantined[1]) == (
        "bad_state_row",
        True,
    )
    key.write_bytes(kept)
    PatientKeys(store, b"m" * 32).destroy("A")
    gone = EventProcessor(twins, keys=PatientKeys(store, b"m" * 32)).open("A", row)
    assert (gone.quarantined or ("", ""))[0] == "erased"
    assert gone.trouble == "", "nothing is to be mended"


def test_without_the_store_no_encrypted_row_is_read_and_nobody_is_sealed_for_it(twins: FakeTwins, store: Path) -> None:
    row = (ward := locked_ward(twins, store)).processor.row(ward.state)
    with pytest.raises(KeysUnusable, match="no store of keys is set"):
        EventProcessor(twins).open("A", row)
