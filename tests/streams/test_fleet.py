"""Several workers on one machine: started, kept running and stopped as one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from streams import fleet
from streams.fleet import ATTEMPTS, Fleet, Member, fleet_of
from tests.streams.worker.stage import Stage, WorkerProcess, enrolment, lab


@pytest.fixture
def stage(kafka: str) -> Iterator[Stage]:
    stage = Stage(kafka)
    yield stage
    stage.close()


def test_each_process_has_a_name_and_a_port_of_its_own() -> None:
    members = fleet_of(["worker", "--instance", "w", "--processes", "3"], 3, "w", 9464).members
    assert [member.arguments[-6:] for member in members] == [
        ("--processes", "1", "--instance", f"w-{number}", "--metrics-port", f"{9463 + number}") for number in (1, 2, 3)
    ]


def test_without_a_name_and_a_port_none_are_given_and_any_free_port_stays_any() -> None:
    assert fleet_of(["worker"], 2, "", None).members[1].arguments == ("worker", "--processes", "1")
    assert fleet_of(["worker"], 2, "", 0).members[1].arguments[-2:] == ("--metrics-port", "0")


class _Ended:
    """A process that has ended."""

    def __init__(self, code: int) -> None:
        self.code = code

    def poll(self) -> int:
        return self.code


def test_pauses_double_while_a_process_does_not_last_and_begin_anew_when_it_did() -> None:
    member, pauses = Member(("worker",)), []
    for lasted in (0.1, 0.1, 0.1, 100.0, 0.1):
        member.process, member.began = _Ended(1), 50.0  # type: ignore[assignment]
        assert member.look(50.0 + lasted) == 1
        pauses.append(round(member.due - 50.0 - lasted, 6))
    assert pauses == [1.0, 2.0, 4.0, 1.0, 1.0]


@pytest.mark.slow
def test_processes_that_never_last_end_the_whole_with_their_exit_code(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fleet, "FIRST_PAUSE", 0.0)
    begun = Fleet([Member(("worker", "--no-such-option"))])
    assert begun.run(threading.Event()) == 2
    assert begun.members[0].failures == ATTEMPTS
    assert capfd.readouterr().err.count("No such option") == ATTEMPTS


def test_one_of_two_processes_that_is_killed_is_started_again_and_both_end_together(
    stage: Stage, tmp_path: Path
) -> None:
    stage.play([enrolment("A"), enrolment("B"), lab("A", 1), lab("B", 1)])
    with WorkerProcess(stage, tmp_path / "log", "--processes", "2", "--session-timeout", "6") as worker:
        stage.wait_until_committed()
        first = psutil.Process(worker.process.pid).children()
        assert len(first) == 2
        first[0].kill()
        stage.play([lab("A", 2), lab("B", 2)])
        stage.wait_until_committed()
        until = time.monotonic() + 20
        while len(now := set(psutil.Process(worker.process.pid).children()) - {first[0]}) < 2:
            assert time.monotonic() < until, worker.text()
            time.sleep(0.1)
        assert worker.stop() == 0
    assert "a worker process ended" in worker.text()
    assert not any(process.is_running() for process in now)
    assert set(stage.rows()) == {"A", "B"}
    assert len(stage.estimates()) >= 4
