"""A ward whose twins move to a released version, by a real worker that is killed in the middle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from connectors.kafka.topics import COMMANDS
from connectors.releases import Version
from streams.worker.metrics import WorkerMetrics
from streams.worker.rows.patient_state import PatientState
from streams.worker.versions.rolling import Rolling
from tests.streams.worker.stage import Stage, WorkerProcess, enrolment
from tests.streams.worker.versions.released import MODEL, WARD, Folder
from tests.twin import bedside
from twin.events import InputEvent, ModelMove, decode
from twin.patient.state_row import TwinRow
from twin.patient.twin import PatientTwin

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


class Desk:
    """Patients of a worker as `Rolling` sees them: a command is handled after a while, if it is not refused."""

    def __init__(self, models: dict[str, str], refused: str = "") -> None:
        self.states = {name: PatientState(name, model, f"{model}-hash") for name, model in models.items()}
        self.said: list[tuple[float, ModelMove]] = []
        self._refused = refused

    def versions(self) -> dict[str, Version]:
        return {"old": Version("new", "new-hash")}

    def make_ready(self, model_id: str) -> None:
        assert model_id == "new"
        assert not self.said, "before anybody is moved"

    def patients(self) -> list[bytes]:
        return [name.encode() for name in self.states]

    async def look_at(self, key: bytes) -> PatientState | None:
        return self.states[key.decode()]

    async def send(self, topic: str, key: bytes | None, value: bytes) -> Awaitable[object]:
        event = decode(value)
        assert isinstance(event, ModelMove)
        assert (topic, key) == (COMMANDS, event.patient_id.encode())
        self.said.append((time.monotonic(), event))
        number = len(self.said)

        async def handled() -> None:
            await asyncio.sleep(0.1)
            state = self.states[event.patient_id]
            state.applied["p.commands", 0] = number
            if event.patient_id != self._refused:
                state.model_id, state.model_hash = event.model, event.model_hash

        self.task = asyncio.create_task(handled())

        async def confirmed() -> SimpleNamespace:
            return SimpleNamespace(topic="p.commands", partition=0, offset=number)

        return confirmed()


async def test_one_patient_is_moved_after_the_other_with_rests_between_and_who_is_refused_is_left() -> None:
    desk = Desk({"A": "old", "B": "old", "C": "other", "D": "old"}, refused="B")
    metrics = WorkerMetrics()
    rolling = Rolling(desk, desk, desk.look_at, metrics, share=0.25)  # type: ignore[arg-type]
    begun = time.monotonic()
    await rolling.go_round()
    took = time.monotonic() - begun
    assert [event.patient_id for _, event in desk.said] == ["A", "B", "D"]
    assert {name: state.model_id for name, state in desk.states.items()} == {
        "A": "new", "B": "old", "C": "other", "D": "new",
    }  # fmt: skip
    gaps = [later - sooner for (sooner, _), (later, _) in pairwise(desk.said)]
    assert min(gaps) >= 0.4, "0.1 s of work is a quarter of the time"
    assert took >= 1.2
    await rolling.go_round()
    assert len(desk.said) == 3, "said again it would be refused again"
    desk.states["E"] = PatientState("E", "old", "old-hash")  # enrolled by the old model meanwhile
    await rolling.go_round()
    assert desk.states["E"].model_id == "new"
    assert metrics.registry.get_sample_value("dosetwin_moved_twins_total") == 3


async def test_a_rest_is_as_long_for_a_patient_who_had_to_be_read_from_the_row_first() -> None:
    desk = Desk({"A": "old", "B": "old"})
    read: set[bytes] = set()

    async def look_at(key: bytes) -> PatientState | None:
        if key not in read:
            read.add(key)
            await asyncio.sleep(0.1)
        return await desk.look_at(key)

    await Rolling(desk, desk, look_at, WorkerMetrics(), share=0.25).go_round()  # type: ignore[arg-type]
    (first, _), (second, _) = desk.said
    assert second - first >= 0.1 + 3 * 0.2 + 0.1, "the move, its rest by all that it took, and the next one's reading"


@pytest.fixture
def stage(kafka: str) -> Iterator[Stage]:
    found = Stage(kafka)
    yield found
    found.close()


def wait(until: Callable[[], bool], seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(600)  # a model is compiled once on a machine, and that may be busy
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
