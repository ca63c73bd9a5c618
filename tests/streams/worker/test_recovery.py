"""Restarts without end: every record comes once and in order, thanks to the order of recovery and to the watch over it.

A log of offsets takes the ward's place, so that what is seen is what Faust delivers. That these tests can fail is shown
by running the same with Faust's own recovery: there, records are dropped or come again.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from faust.tables.recovery import Recovery
from faust.types import TP

from streams.worker.app import TwinApp, WorkerOptions, build_worker, run_worker
from streams.worker.engine import KafkaRecord
from streams.worker.heartbeat import Progress
from streams.worker.recovery import LONGEST_FETCH, OrderedRecovery, OrderedTables
from tests.streams.worker.fake_twin import FakeTwins
from tests.streams.worker.stage import Stage, pump
from twin.events import encode

Offsets = dict[tuple[str, int], list[int]]


class OffsetLog:
    """Stands where the ward stands; notes every record and settles it at once, with a row now and then."""

    is_full = False
    resting: frozenset[int] = frozenset()

    def __init__(self, app: TwinApp, seen: Offsets) -> None:
        self.port = app.dispatcher._port
        self.seen = seen
        self.held: set[int] = set()
        self.opened = asyncio.Event()
        app.dispatcher.close()

    async def open(self, starts: Mapping[tuple[str, int], int]) -> None:
        self.held = {number for _, number in starts}
        self.opened.set()

    async def receive(self, record: KafkaRecord) -> None:
        self.seen[record.topic, record.partition].append(record.offset)
        self.port.settle((record.topic, record.partition), record.offset + 1)
        if record.offset % 20 == 0:
            await (await self.port.write_row(record.partition, b"row", b"x" * 500))

    async def tick(self, now: float) -> None: ...

    def progress(self, _: Callable[[tuple[str, int]], int | None]) -> list[Progress]:
        return []

    async def surrender(self) -> None: ...

    def abandon(self) -> None: ...

    def close(self) -> None: ...


class HastyRecovery(Recovery):
    """Faust's own order of recovery, with a broker that takes its time to answer the question for committed offsets."""

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        app: Any = self.app
        consumer = app.consumer
        inputs = {tp for tp in consumer.assignment() if not self._is_changelog_tp(tp)}
        await app.take_over(await consumer.seek_to_starts(inputs))
        seek = consumer.perform_seek

        async def slow_seek() -> None:
            await asyncio.sleep(0.6)
            await seek()

        consumer.perform_seek = slow_seek
        await super().on_recovery_completed(generation_id)
        consumer.perform_seek = seek


class HastyTables(OrderedTables):
    recovery_class = HastyRecovery


@pytest.fixture
def stage(kafka: str) -> Iterator[Stage]:
    stage = Stage(kafka)
    yield stage
    stage.close()


@pytest.fixture
def steady_feed(stage: Stage) -> Iterator[None]:
    """About 400 records a second, as long as the test runs."""
    ended = threading.Event()

    def feed() -> None:
        number = 0
        while not ended.wait(0.01):
            for _ in range(4):
                patient = f"R{number % 10}"
                stage.send("iomt.pump", patient, encode(pump(patient, number)))
                number += 1

    feeder = threading.Thread(target=feed)
    feeder.start()
    yield
    ended.set()
    feeder.join()


async def restart(stage: Stage, times: int, datadir: Path, seconds: float = 0.6, **how: Any) -> Offsets:
    """Run a worker ``times`` times, a little longer each time; what records it saw, in the order it saw them."""
    seen: Offsets = defaultdict(list)
    for number in range(times):
        app = build_worker(stage.settings, FakeTwins(), datadir, WorkerOptions(instance="one"), **how)
        log = OffsetLog(app, seen)
        app.dispatcher = log  # type: ignore[assignment]
        stopping = asyncio.Event()
        running = asyncio.create_task(run_worker(app, stopping))
        await asyncio.wait_for(log.opened.wait(), 120)
        await asyncio.sleep(seconds + 0.05 * number)
        stopping.set()
        assert await running == 0
    return seen


def is_seamless(seen: Offsets) -> bool:
    return all(offsets == list(range(len(offsets))) for offsets in seen.values())


@pytest.mark.usefixtures("steady_feed")
async def test_ten_restarts_drop_nothing_and_repeat_nothing(stage: Stage, tmp_path: Path) -> None:
    seen = await restart(stage, 10, tmp_path)
    assert len(seen) == stage.partitions
    assert min(map(len, seen.values())) > 100, "some came before and after each restart, however slow the feed is"
    assert is_seamless(seen)


@pytest.mark.usefixtures("steady_feed")
async def test_the_watch_over_offsets_alone_makes_up_for_them(stage: Stage, tmp_path: Path) -> None:
    seen = await restart(stage, 3, tmp_path, seconds=1.5, table_manager=HastyTables)
    assert is_seamless(seen)


async def test_a_fetch_under_way_does_not_take_up_partitions_that_rest_meanwhile(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client reads an empty set of partitions as 'all': it must never see the set that pausing empties."""
    asked: list[set[TP]] = []
    active = {TP("changelog", 0)}

    async def fetch(_: Any, wanted: set[TP], timeout: float) -> dict[TP, list[Any]]:
        assert timeout <= LONGEST_FETCH
        active.clear()
        asked.append(wanted)
        return {TP("changelog", 0): ["record"], TP("input", 0): ["record"]}

    monkeypatch.setattr("faust.transport.drivers.aiokafka.Consumer._getmany", fetch)
    app = build_worker(stage.settings, FakeTwins(), tmp_path)
    assert await app.consumer._getmany(active, 1.0) == {}
    assert await app.consumer._getmany(active, 1.0) == {}
    assert asked == [{TP("changelog", 0)}]
    app.dispatcher.close()
    thread: Any = app.consumer._thread  # type: ignore[attr-defined]
    thread.thread_loop.close()


async def test_what_was_asked_for_before_a_hand_over_is_not_taken_from_the_recovery(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fetch is under way while the group is divided anew, and the event loop has other work when all is sought."""
    sought = OrderedRecovery._seek_offsets

    async def seek_and_pause(self: Any, *what: Any) -> None:
        await sought(self, *what)
        await asyncio.sleep(0.3)

    monkeypatch.setattr("streams.worker.recovery.LONGEST_FETCH", 20.0)
    monkeypatch.setattr(OrderedRecovery, "_seek_offsets", seek_and_pause)
    logs, ends, running = [], [], []
    for name in ("stays", "leaves"):
        app = build_worker(stage.settings, FakeTwins(), tmp_path / name)
        app.dispatcher = log = OffsetLog(app, defaultdict(list))  # type: ignore[assignment]
        logs.append(log)
        ends.append(asyncio.Event())
        running.append(asyncio.create_task(run_worker(app, ends[-1])))
        async with asyncio.timeout(60):
            while len(log.held) != stage.partitions / len(logs):
                await asyncio.sleep(0.05)
    stays, leaves = logs
    async with asyncio.timeout(60):
        while len(stays.held) != len(leaves.held):
            await asyncio.sleep(0.05)
    ends[1].set()
    assert await running[1] == 0
    async with asyncio.timeout(60):
        while len(stays.held) != stage.partitions:
            await asyncio.sleep(0.05)
    ends[0].set()
    assert await running[0] == 0


async def test_a_gap_in_delivery_is_read_again(stage: Stage, tmp_path: Path) -> None:
    """Three records are lost between Faust and the worker; they come again, in order, and no other one is lost."""
    stage.play(pump("A", minute) for minute in range(50))
    app = build_worker(stage.settings, FakeTwins(), tmp_path, WorkerOptions(instance="one"))
    seen: Offsets = defaultdict(list)
    app.dispatcher = OffsetLog(app, seen)  # type: ignore[assignment]
    admit, lost = app.admit, [10, 11, 12]

    async def lossy_admit(message: Any) -> None:
        if message.offset in lost:
            lost.remove(message.offset)
        else:
            await admit(message)

    app.admit = lossy_admit  # type: ignore[method-assign]
    stopping = asyncio.Event()
    running = asyncio.create_task(run_worker(app, stopping))
    async with asyncio.timeout(120):
        while sum(map(len, seen.values())) < 50:
            await asyncio.sleep(0.05)
    stopping.set()
    assert await running == 0
    assert is_seamless(seen)
    assert app.continuity is not None
    assert app.continuity.gaps == 1
