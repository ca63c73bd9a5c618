"""A worker beats every second for each of its partitions, and says when it gives them back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from connectors.kafka.records import decode_record
from connectors.kafka.topics import HEARTBEATS
from streams.worker.heartbeat import Heart, Progress, name_of, state_of
from streams.worker.metrics import WorkerMetrics
from twin.events import Heartbeat

QUIET = Progress(3, lag=0, behind=0.0, barrier=2.0, unsettled=False)


@pytest.mark.parametrize(
    ("progress", "state"),
    [
        (QUIET, "live"),
        (Progress(0, lag=9, behind=9.0, barrier=1.0, unsettled=True), "live"),
        (Progress(0, lag=9, behind=11.0, barrier=1.0, unsettled=True), "behind"),
        (Progress(0, lag=0, behind=0.0, barrier=900.0, unsettled=False), "live"),
        (Progress(0, lag=9, behind=90.0, barrier=121.0, unsettled=True), "stuck"),
    ],
)
def test_progress_amounts_to_a_state(progress: Progress, state: str) -> None:
    assert state_of(progress, barrier_every=30.0) == state


class Broker:
    """Takes beats, or nothing while it is away."""

    def __init__(self) -> None:
        self.said: list[tuple[int, Heartbeat]] = []
        self.there = asyncio.Event()
        self.there.set()

    async def say(self, partition: int, value: bytes) -> Awaitable[object]:
        await self.there.wait()
        beat = decode_record(HEARTBEATS, value)
        assert isinstance(beat, Heartbeat)
        self.said.append((partition, beat))
        return asyncio.sleep(0)


@pytest.fixture
def broker() -> Broker:
    return Broker()


def heart_of(broker: Broker) -> tuple[Heart, WorkerMetrics]:
    metrics = WorkerMetrics()
    return Heart("ward-1", 4, 30.0, broker.say, metrics), metrics


async def test_it_beats_once_a_second_and_shows_the_same_as_metrics(broker: Broker) -> None:
    heart, metrics = heart_of(broker)
    lagging = Progress(1, lag=7, behind=60.0, barrier=5.0, unsettled=True, sealed=(("P-9", "bad_state_row"),))
    for now in (10.0, 10.1, 10.9, 11.0):
        heart.tick(now, lambda: [lagging, QUIET])
        await asyncio.sleep(0.001)
    assert [(partition, beat.state) for partition, beat in broker.said] == [(1, "behind"), (3, "live")] * 2
    beat = broker.said[0][1]
    assert (beat.worker, beat.partitions, beat.lag, beat.behind_seconds) == ("ward-1", 4, 7, 60.0)
    assert beat.sealed == {"P-9": "bad_state_row"}
    shown = metrics.registry.get_sample_value("dosetwin_partition_lag_records", {"partition": "1"})
    assert shown == 7
    assert metrics.registry.get_sample_value("dosetwin_partition_barrier_age_seconds", {"partition": "3"}) == 2.0


async def test_a_broker_that_takes_nothing_is_not_waited_for(broker: Broker) -> None:
    heart, _ = heart_of(broker)
    broker.there.clear()
    for now in range(10):
        heart.tick(float(now), lambda: [QUIET])
        await asyncio.sleep(0)
    broker.there.set()
    await asyncio.sleep(0.001)
    assert len(broker.said) == 1


async def test_the_last_word_of_a_partition_is_that_its_worker_stopped(broker: Broker) -> None:
    heart, metrics = heart_of(broker)
    heart.tick(0.0, lambda: [QUIET])
    await heart.farewell([QUIET])
    assert broker.said[-1][1].state == "stopped"
    assert metrics.registry.get_sample_value("dosetwin_partition_lag_records", {"partition": "3"}) is None


def test_a_worker_without_a_name_is_called_by_machine_and_process() -> None:
    assert name_of("ward-1") == "ward-1"
    assert 3 <= len(name_of("")) <= 64
