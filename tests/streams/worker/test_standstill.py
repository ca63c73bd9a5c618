"""A recovery whose rows do not come says so and ends the worker; the next one goes on where it was."""

from __future__ import annotations

import asyncio
import doctest
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from connectors.kafka.heartbeats import last_beats
from streams.worker import standstill as module
from streams.worker.app import BROKER_LOST, TwinApp, WorkerOptions, build_worker, run_worker
from streams.worker.standstill import LOOK_SECONDS, RECOVERY_SECONDS, ConsumerStuck, RecoveryWatch, check_inputs
from streams.worker.turns.waiting import PATIENT_BYTES
from tests.streams.worker.fake_twin import FakeTwins
from tests.streams.worker.stage import Stage, enrolment, pump


@pytest.fixture
def stage(kafka: str) -> Iterator[Stage]:
    stage = Stage(kafka)
    yield stage
    stage.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(module, "SAID_SECONDS", 1.0)
    monkeypatch.setattr(module, "RECOVERY_SECONDS", 4.0)


def begun(stage: Stage, folder: Path) -> tuple[TwinApp, asyncio.Event, asyncio.Task[int]]:
    options = WorkerOptions(barrier_seconds=0.2, instance="one")
    app, stopping = build_worker(stage.settings, FakeTwins(), folder, options), asyncio.Event()
    return app, stopping, asyncio.create_task(run_worker(app, stopping))


async def until_ready(app: TwinApp, running: asyncio.Task[int]) -> None:
    async with asyncio.timeout(60):
        while not app.dispatcher.holds_partitions:
            assert not running.done()
            await asyncio.sleep(0.05)


async def until_told(app: TwinApp) -> str:
    async with asyncio.timeout(60):
        while not (said := app.recovery_watch.told()):
            await asyncio.sleep(0.05)
    return said


def fetching_nothing(app: TwinApp) -> None:
    """The client's fetcher brings no record of the changelog any more."""
    thread: Any = app.consumer._thread  # type: ignore[attr-defined]

    async def nothing(*_: Any, **__: Any) -> dict[Any, Any]:
        await asyncio.sleep(0.05)
        return {}

    thread._fetch_records = nothing


def test_examples_in_the_docstrings_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", LOOK_SECONDS)
    assert doctest.testmod(module).failed == 0


def test_a_recovery_that_moves_may_take_as_long_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", LOOK_SECONDS)
    watch = RecoveryWatch()
    for second in range(10_000):
        assert watch.look({0: 10_000 - second // 30, 1: 0}, float(second))[0] < RECOVERY_SECONDS
    assert watch.look({}, 10_000.0) == {}


def test_a_process_that_was_frozen_is_given_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", LOOK_SECONDS)
    watch = RecoveryWatch()
    watch.look({0: 5}, 1.0)
    assert watch.look({0: 5}, 3_600.0) == {0: 2 * LOOK_SECONDS}
    watch.forget()
    assert watch.look({0: 5}, 3_601.0) == {0: 0.0}


async def test_a_worker_whose_rows_do_not_come_says_so_and_the_next_one_goes_on(stage: Stage, tmp_path: Path) -> None:
    patients = [f"P{number}" for number in range(8)]
    stage.play(enrolment(patient) for patient in patients)
    app, stopping, running = begun(stage, tmp_path)
    await until_ready(app, running)
    await asyncio.to_thread(stage.wait_until_committed)
    stopping.set()
    assert await running == 0
    assert set(stage.rows()) == set(patients)

    app, stopping, running = begun(stage, tmp_path)
    fetching_nothing(app)
    with structlog.testing.capture_logs() as logs:
        said = await until_told(app)
        assert said in app.waiting()
        await asyncio.sleep(1.5)
        beats = {beat.partition: beat.state for beat, _ in last_beats(stage.bootstrap, stage.prefix)}
        page = {sample.labels["partition"]: sample.value for sample in next(iter(app.metrics.still.collect())).samples}
        assert await asyncio.wait_for(running, 60) == BROKER_LOST, "who keeps it running starts it again"
    assert "stood still for" in said
    assert "state rows" in said
    assert "stuck" in beats.values()
    assert max(page.values()) >= 1.0
    assert sum(log["event"] == "the recovery stands still" for log in logs) == 1
    assert any("RecoveryStuck" in str(log.get("error")) for log in logs)

    stage.play(pump(patient, 5) for patient in patients)
    app, stopping, running = begun(stage, tmp_path)
    await until_ready(app, running)
    await asyncio.to_thread(stage.wait_until_committed)
    stopping.set()
    assert await running == 0
    assert set(stage.rows()) == set(patients)


async def test_a_broker_that_is_away_is_waited_for(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.play([enrolment("A")])
    app, stopping, running = begun(stage, tmp_path)
    await until_ready(app, running)
    await asyncio.to_thread(stage.wait_until_committed)
    stopping.set()
    assert await running == 0

    asked: list[str] = []

    def away(address: str) -> bool:
        asked.append(address)
        return False

    monkeypatch.setattr(module, "broker_answers", away)
    app, stopping, running = begun(stage, tmp_path)
    fetching_nothing(app)
    async with asyncio.timeout(90):
        while len(asked) < 5:
            assert not running.done()
            await asyncio.sleep(0.1)
    assert max(app.recovery_watch.still.values(), default=0.0) < 4.0, "its time begins anew"
    stopping.set()
    assert await running == 0


async def test_inputs_that_do_not_come_although_they_wait_end_the_worker(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, stopping, running = begun(stage, tmp_path)
    await until_ready(app, running)
    admitted: dict[str, int] = defaultdict(int)

    async def lost(record: Any) -> None:
        admitted[record.topic] += 1

    app.admit = lost  # type: ignore[method-assign]
    await check_inputs(app)
    monkeypatch.setattr(module, "STALL_SECONDS", 0.0)
    await check_inputs(app)
    stage.play([enrolment("A")])
    app.last_taken = time.monotonic() - 1
    number = app.dispatcher._home(b"A")
    app.dispatcher._waiting.add("A", number, PATIENT_BYTES)
    await check_inputs(app)
    app.dispatcher._waiting.remove("A", number, 1, PATIENT_BYTES)
    with pytest.raises(ConsumerStuck, match="1 records wait and none came"):
        await check_inputs(app)
    stopping.set()
    assert await running == 0
