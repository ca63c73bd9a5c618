"""A ward whose twins move to a released version, by a real worker that is killed in the middle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from connectors.kafka.topics import COMMANDS
from tests.streams.worker.stage import Stage, WorkerProcess, enrolment
from tests.streams.worker.versions.released import MODEL, WARD, Folder
from tests.twin import bedside
from twin.events import InputEvent, ModelMove, decode
from twin.patient.state_row import TwinRow
from twin.patient.twin import PatientTwin

pytestmark = pytest.mark.slow

PATIENTS = [f"R{number}" for number in range(5)]
TWINS = "streams.worker.twin_factory:LibraryTwins"


def told(patient: str, first: int, last: int) -> list[InputEvent]:
    """What is told of a patient in some hours: a dose at the first of all, a level in every third, the time in all."""
    events: list[InputEvent] = []
    for hour in range(first, last):
        known = {"patient_id": patient, "event_id": f"{patient} {hour}"}
        if hour == 0:
            events.append(enrolment(patient, MODEL.id, bedside.at(0)))
            events.append(bedside.dose(0.0, 60.0 + len(patient), **known))
        elif hour % 3 == 0:
            events.append(bedside.level(hour, 2.0 / (1 + hour), **known))
        else:
            events.append(bedside.clock(hour, **known))
    return events


@pytest.fixture
def stage(kafka: str) -> Iterator[Stage]:
    found = Stage(kafka)
    yield found
    found.close()


def wait(until: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)


def test_a_ward_moves_patient_by_patient_and_what_was_said_stays(stage: Stage, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "releases")
    given = {"DOSETWIN_PARTICLES": "100", "DOSETWIN_CLINICAL": str(folder.path)}

    def worker() -> WorkerProcess:
        return WorkerProcess(stage, tmp_path / "log", twins=TWINS, environment=given)

    def moved() -> int:
        return sum(row.model_hash == WARD.hash for row in stage.rows().values())

    with worker() as first:
        stage.play(event for patient in PATIENTS for event in told(patient, 0, 8))
        stage.wait_until_committed(120)
        said = {record.value for record in stage.outputs()}
        folder.forge(WARD, MODEL.id)
        wait(lambda: "a release moves no twin" in first.text())
        assert moved() == 0
        for path in folder.path.glob(f"{WARD.id}.*"):
            path.unlink()
        folder.release(WARD, MODEL.id)
        wait(lambda: moved() > 0)
        first.kill()
    assert moved() < len(PATIENTS), "it was killed in the middle"
    with worker() as second:
        stage.play(event for patient in PATIENTS for event in told(patient, 8, 12))
        wait(lambda: moved() == len(PATIENTS))
        stage.play(event for patient in PATIENTS for event in told(patient, 12, 14))
        stage.wait_until_committed(120)
        assert second.stop() == 0

    rows = stage.rows()
    for patient in PATIENTS:
        fresh = PatientTwin(patient, WARD, 100)
        fresh.observe(told(patient, 0, 14))
        one, other = (msgspec.msgpack.decode(row, type=TwinRow) for row in (rows[patient].twin, fresh.row()))
        assert (one.columns, one.beliefs, one.history) == (other.columns, other.beliefs, other.history)
    records = stage.estimates()
    assert said <= {record.value for record in stage.outputs()}, "nothing that was said is gone"
    newest = {estimate.patient_id: estimate.model_hash for estimate in records if estimate.kind == "estimate"}
    assert newest == dict.fromkeys(PATIENTS, WARD.hash)
    first_by_ward = min(e.time for e in records if e.model_hash == WARD.hash)
    assert first_by_ward > bedside.at(6), "of the past nothing is said again"
    commands = [decode(record.value) for record in stage.records(stage.prefix + COMMANDS)]
    moves = [event for event in commands if isinstance(event, ModelMove)]
    assert {move.patient_id for move in moves} == set(PATIENTS)
    assert len({move.event_id for move in moves}) == len(PATIENTS)
    assert stage.rejected() == []
