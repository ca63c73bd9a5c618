"""A flood of alerts from a worker that is killed again and again: none is lost, none is doubled."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.faults.ground import RATE
from tests.faults.verdict import contradictions
from tests.streams.worker.fake_twin import MODEL
from tests.streams.worker.stage import Stage, WorkerProcess, digest_of, enrolment, lab, pump
from twin.events import InputEvent

PATIENTS = [f"K{number:02d}" for number in range(12)]


@pytest.fixture
def stages(kafka: str) -> Iterator[tuple[Stage, Stage]]:
    calm, killed = Stage(kafka), Stage(kafka)
    yield calm, killed
    calm.close()
    killed.close()


def run_calm(stage: Stage, events: Iterable[InputEvent], log: Path) -> None:
    """All events are there before the worker is, and it is left alone."""
    stage.play(events)
    with WorkerProcess(stage, log) as worker:
        stage.wait_until_committed()
        assert worker.stop() == 0


def run_killed(stage: Stage, events: list[InputEvent], log: Path, kills: int) -> None:
    """A worker is killed soon after it has begun, again and again, each time while events are coming."""
    share = -(-len(events) // (kills + 1))
    feeder = threading.Thread(target=stage.play, args=(events[:share], RATE))
    feeder.start()
    chance = random.Random(4)
    for kill in range(1, kills + 1):
        with WorkerProcess(stage, log) as worker:
            worker.wait_ready()
            feeder.join()
            feeder = threading.Thread(target=stage.play, args=(events[kill * share : (kill + 1) * share], RATE))
            feeder.start()
            time.sleep(chance.uniform(0.05, 1.0))
            assert worker.process.poll() is None, f"ended before it was killed:\n{worker.text()}"
            worker.kill()
    feeder.join()
    with WorkerProcess(stage, log) as worker:
        stage.wait_until_committed()
        assert worker.stop() == 0


def flood() -> list[InputEvent]:
    """Ticks and counts of twelve patients: every fourth event raises an alert, every tenth is late, some come again."""
    chance = random.Random(3)
    events: list[InputEvent] = [enrolment(patient) for patient in PATIENTS]
    while len(events) < 800:
        number = len(events)
        patient = chance.choice(PATIENTS)
        minute = number / 4 - (chance.uniform(20, 60) if number % 10 == 0 else 0)
        if number % 30 == 7:
            events.append(events[-chance.randrange(1, 20)])
        elif chance.random() < 0.5:
            events.append(lab(patient, minute, value=round(chance.uniform(0, 1), 3), number=number))
        else:
            events.append(pump(patient, minute))
    return events


def test_no_alert_of_a_flood_is_lost_or_doubled_by_kills(stages: tuple[Stage, Stage], tmp_path: Path) -> None:
    events = flood()
    calm, killed = stages
    run_calm(calm, events, tmp_path / "calm.log")
    run_killed(killed, events, tmp_path / "killed.log", kills=4)

    rows_calm, rows_killed = calm.rows(), killed.rows()
    assert set(rows_calm) == set(rows_killed) == set(PATIENTS)
    for patient in PATIENTS:
        assert rows_killed[patient].twin == rows_calm[patient].twin
        assert rows_killed[patient].model_id == MODEL
        assert rows_killed[patient].outbox == ()
        assert offsets(rows_killed[patient].applied) == offsets(rows_calm[patient].applied)
    assert len({digest_of(row) for row in rows_calm.values()}) == len(PATIENTS)

    assert transitions(killed) == transitions(calm)
    assert len(transitions(calm)) > 150
    assert {estimate.event_id for estimate in killed.estimates()} == {e.event_id for e in calm.estimates()}


def transitions(stage: Stage) -> set[tuple[str, int, str]]:
    """Alert transitions as a consumer knows them that keeps one of each (alert, revision)."""
    alerts = stage.alerts()
    assert contradictions(alerts) == []
    return {(alert.alert_id, alert.revision, alert.state) for alert in alerts}


def offsets(applied: Iterable[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Applied offsets without the run's topic prefix."""
    return [(topic.partition(".")[2], partition, offset) for topic, partition, offset in applied]
