"""A worker that is frozen past its session and wakes in a quiet ward changes nothing any more."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streams.worker.fake_twin import FakeTwin
from tests.streams.worker.stage import Stage, WorkerProcess, digest_of, enrolment, lab
from twin.events import InputEvent

PATIENTS = [f"Z{number}" for number in range(6)]
SESSION = ("--session-timeout", "6")


@pytest.fixture
def stage(kafka: str) -> Iterator[Stage]:
    stage = Stage(kafka)
    yield stage
    stage.close()


def story() -> list[InputEvent]:
    """Counts of each patient, every seventh late, every fourth so low that it raises an alert."""
    chance = random.Random(8)
    events: list[InputEvent] = [enrolment(patient) for patient in PATIENTS]
    for number in range(240):
        minute = number - (30.5 if number % 7 == 0 else 0)
        value = 0.3 if number % 4 == 0 else 3.0
        events.append(lab(chance.choice(PATIENTS), minute, value, number=number))
    return events


def test_a_zombie_that_wakes_in_a_quiet_ward_changes_nothing(stage: Stage, tmp_path: Path) -> None:
    events = story()
    early, late, last = events[:120], events[120:200], events[200:]
    stage.play(early[:60])
    slow = ("--barrier-seconds", "4", *SESSION)
    with WorkerProcess(stage, tmp_path / "zombie.log", *slow, "--instance", "") as zombie:
        zombie.wait_ready()
        stage.wait_until_committed()
        stage.play(early[60:])
        _until(lambda: len(stage.estimates()) >= len(early), "the worker has not handled what it will forget to write")
        zombie.process.send_signal(signal.SIGSTOP)
        with WorkerProcess(stage, tmp_path / "second.log", *SESSION, "--instance", "second") as second:
            second.wait_ready()
            stage.play(late)
            stage.wait_until_committed()
            said = len(stage.records(stage.prefix + "twin.estimates")), len(stage.alerts())
            assert second.stop() == 0
            zombie.process.send_signal(signal.SIGCONT)
            _until(lambda: "lost the broker" in zombie.text(), "the zombie has not noticed that it lost its session")
            zombie.kill()
    rows = stage.rows()
    assert (len(stage.records(stage.prefix + "twin.estimates")), len(stage.alerts())) == said
    _are_as_undisturbed(rows, early + late)

    stage.play(last)
    with WorkerProcess(stage, tmp_path / "third.log", *SESSION, "--instance", "third") as third:
        stage.wait_until_committed()
        assert third.stop() == 0
    _are_as_undisturbed(stage.rows(), events)


def _are_as_undisturbed(rows: dict[str, object], events: list[InputEvent]) -> None:
    for patient in PATIENTS:
        twin = FakeTwin(patient, slow=0.0)
        twin.observe([event for event in events if event.patient_id == patient])
        assert digest_of(rows[patient]) == twin.digest()  # type: ignore[arg-type]


def _until(holds: object, complaint: str, timeout: float = 30.0) -> None:
    until = time.monotonic() + timeout
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < until, complaint
        time.sleep(0.2)
