"""A worker killed ten times in mid-stream ends where an undisturbed one ends: nothing lost, no alert doubled."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from tests.streams.fake_twin import MODEL
from tests.streams.stage import Stage, WorkerProcess, digest_of, enrolment, lab, pump
from twin.events import InputEvent

PATIENTS = [f"K{number:02d}" for number in range(12)]
KILLS = 10
RATE = 50.0
"""Events a second while the worker is being killed."""

LENGTH = 2_400


def story() -> list[InputEvent]:
    """A stream of pump ticks and counts of twelve patients; every tenth event is late, every thirtieth a repeat."""
    chance = random.Random(3)
    events: list[InputEvent] = [enrolment(patient) for patient in PATIENTS]
    while len(events) < LENGTH:
        number = len(events)
        patient = chance.choice(PATIENTS)
        minute = number / 4 - (chance.uniform(20, 60) if number % 10 == 0 else 0)
        if number % 30 == 7:
            events.append(events[-chance.randrange(1, 20)])
        elif chance.random() < 0.3:
            events.append(lab(patient, minute, value=round(chance.uniform(0, 5), 3), number=number))
        else:
            events.append(pump(patient, minute))
    return events


def run_killed(stage: Stage, events: Iterable[InputEvent], log: Path) -> None:
    feeder = threading.Thread(target=stage.play, args=(events, RATE))
    feeder.start()
    chance = random.Random(4)
    for _ in range(KILLS):
        with WorkerProcess(stage, log) as worker:
            worker.wait_ready()
            time.sleep(chance.uniform(0.05, 1.0))
            worker.kill()
    feeder.join()
    with WorkerProcess(stage, log) as worker:
        stage.wait_until_committed()
        assert worker.stop() == 0


def test_a_worker_killed_ten_times_ends_as_an_undisturbed_one(kafka: str, tmp_path: Path) -> None:
    events = story()
    calm, killed = Stage(kafka), Stage(kafka)
    calm.play(events)
    with WorkerProcess(calm, tmp_path / "calm.log") as worker:
        calm.wait_until_committed()
        assert worker.stop() == 0
    run_killed(killed, events, tmp_path / "killed.log")

    assert set(calm.rows()) == set(killed.rows()) == set(PATIENTS)
    rows_calm, rows_killed = calm.rows(), killed.rows()
    for patient in PATIENTS:
        assert rows_killed[patient].twin == rows_calm[patient].twin
        assert rows_killed[patient].model_id == MODEL
        assert rows_killed[patient].outbox == ()
        assert offsets(rows_killed[patient].applied) == offsets(rows_calm[patient].applied)
    assert len({digest_of(row) for row in rows_calm.values()}) == len(PATIENTS)

    assert transitions(killed) == transitions(calm)
    assert len(transitions(calm)) > 50
    said, said_again = calm.estimates(), killed.estimates()
    assert {estimate.event_id for estimate in said_again} == {estimate.event_id for estimate in said}
    assert len(said_again) > len(said), "nothing was read again: the kills met an idle worker"
    calm.close()
    killed.close()


def transitions(stage: Stage) -> set[tuple[str, int, str]]:
    """Alert transitions as a consumer knows them that keeps one of each (alert, revision)."""
    alerts = stage.alerts()
    known = {(alert.alert_id, alert.revision): alert for alert in alerts}
    assert all(known[alert.alert_id, alert.revision] == alert for alert in alerts), "one revision, two contents"
    return {(alert.alert_id, alert.revision, alert.state) for alert in known.values()}


def offsets(applied: Iterable[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Applied offsets without the run's topic prefix."""
    return [(topic.partition(".")[2], partition, offset) for topic, partition, offset in applied]
