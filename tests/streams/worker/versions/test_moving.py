"""A command to go on by another version, in the order of the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.releases import Version
from streams.worker.engine import KafkaRecord
from streams.worker.processor import EventProcessor, Outcome
from streams.worker.records.received import ReceivedEvent
from streams.worker.rows.patient_state import PatientState
from streams.worker.twin_factory import LibraryTwins
from streams.worker.versions.rolling import command
from tests.streams.worker.stage import enrolment
from tests.streams.worker.versions.released import MODEL, WARD, Folder, version_of
from tests.twin import bedside
from twin.events import Estimate, InputEvent, decode_output, encode, to_millis
from twin.patient.twin import PatientTwin

pytestmark = pytest.mark.slow

EVENTS = [
    enrolment(bedside.PATIENT, MODEL.id, bedside.at(0)),
    bedside.dose(0.5),
    bedside.level(2.0, 1.4),
    bedside.clock(4.0),
    bedside.level(6.0, 0.6),
    bedside.clock(9.0),
]


class Log:
    """Records of one topic, played to a processor."""

    def __init__(self, folder: Folder) -> None:
        self.processor = EventProcessor(LibraryTwins(particles=64, clinical=folder.path))
        self.state = self.processor.open(bedside.PATIENT, None)
        self.records: list[ReceivedEvent] = []

    def say(self, *events: InputEvent) -> Outcome:
        known = len(self.records)
        for event in events:
            stamp = to_millis(bedside.at(12))
            self.records.append(
                ReceivedEvent(event, KafkaRecord("t", 0, len(self.records), stamp, None, encode(event)))
            )
        return self.processor.handle(self.state, self.records[known:])


def hashes(outcome: Outcome) -> set[str]:
    outputs = [decode_output(output.value) for output in outcome.outputs]
    return {output.model_hash for output in outputs if isinstance(output, Estimate)}


def twin_of(state: PatientState) -> PatientTwin:
    assert isinstance(state.twin, PatientTwin)
    return state.twin


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "releases")


def test_a_twin_goes_on_by_a_released_version_where_the_command_stands_and_a_replay_ends_in_the_same_bytes(
    folder: Folder,
) -> None:
    log = Log(folder)
    assert hashes(log.say(*EVENTS[:4])) == {MODEL.hash}
    folder.release(WARD, MODEL.id)
    (version,) = log.processor._twins.versions().values()  # type: ignore[attr-defined]
    assert version == Version(WARD.id, WARD.hash)
    move = command(log.state, version)
    moved = log.say(move)
    assert (moved.rejected, hashes(moved)) == ([], set()), "what was said stays as it was"
    assert (log.state.model_id, log.state.model_hash) == (WARD.id, WARD.hash)
    assert hashes(log.say(*EVENTS[4:])) == {WARD.hash}
    row = log.processor.row(log.state)
    again = log.say(move)
    assert (again.rejected, again.outputs) == ([], []), "told again it moves nobody again"

    fresh = PatientTwin(bedside.PATIENT, WARD, 64)
    fresh.observe(EVENTS)
    assert fresh.belief.eta.tobytes() == twin_of(log.state).belief.eta.tobytes()
    assert fresh.belief.log_evidence == twin_of(log.state).belief.log_evidence

    for stop in range(1, len(log.records)):  # killed anywhere, and read again from a row or from the beginning
        other = Log(folder)
        other.processor.handle(other.state, log.records[:stop])
        back = other.processor.open(bedside.PATIENT, other.processor.row(other.state))
        assert back.quarantined is None
        other.processor.handle(back, log.records[: len(EVENTS) + 1])
        assert other.processor.row(back)[20:] == row[20:]


def test_a_version_that_nobody_signed_leaves_twins_as_they_are(folder: Folder) -> None:
    log = Log(folder)
    log.say(*EVENTS[:4])
    before = log.state.twin
    for wrong in (WARD, version_of(MODEL, "toy_other", 4.0)):
        folder.forge(wrong, MODEL.id)
        assert log.processor._twins.versions() == {}  # type: ignore[attr-defined]
        (letter,) = log.say(command(log.state, Version(wrong.id, wrong.hash))).rejected
        assert (letter.reason, "was not signed with the key" in letter.detail) == ("unknown_model", True)
    assert (log.state.twin, log.state.model_id) == (before, MODEL.id)
    assert hashes(log.say(*EVENTS[4:])) == {MODEL.hash}


def test_a_command_that_does_not_fit_is_a_dead_letter_with_its_reason(folder: Folder) -> None:
    log = Log(folder)
    log.say(*EVENTS[:4])
    move = command(log.state, Version(WARD.id, WARD.hash))
    assert [letter.reason for letter in Log(folder).say(move).rejected] == ["not_enrolled"]
    folder.release(WARD, MODEL.id)
    other = {"event_id": "m1", "replaces": "docetaxel_ozawa2007"}
    (letter,) = log.say(move.model_copy(update=other)).rejected
    assert (letter.reason, "'toy_absorption', not by 'docetaxel_ozawa2007'" in letter.detail) == ("other_model", True)
    stale = {"event_id": "m2", "replaces": MODEL.id, "model_hash": "0f"}
    (letter,) = log.say(move.model_copy(update=stale)).rejected
    assert (letter.reason, "put that file here" in letter.detail) == ("unknown_model", True)
    assert log.state.model_id == MODEL.id
