"""Topics that are not what they were when a worker comes back: rows gone, inputs made anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import TopicPartition
from structlog.testing import capture_logs

from connectors.kafka.clients import open_admin
from connectors.kafka.topics import ensure_topics
from streams.worker.app import WorkerOptions, build_worker, run_worker
from streams.worker.rows.changelog import changelog_of, ensure_changelog
from tests.streams.worker.fake_twin import FakeTwin, FakeTwins
from tests.streams.worker.stage import Stage, digest_of, enrolment, lab
from twin.events import InputEvent

LABS = "clinical.labs"


@pytest.fixture
def stage(kafka: str) -> Iterator[Stage]:
    stage = Stage(kafka, partitions=1)
    yield stage
    stage.close()


async def work(stage: Stage, datadir: Path, until: Callable[[], object] | None = None) -> int:
    """Run a worker until all is committed (and ``until`` is so), or until it ends by itself; its exit code."""
    app = build_worker(stage.settings, FakeTwins(), datadir, WorkerOptions(barrier_seconds=0.2, instance="one"))
    stopping = asyncio.Event()
    running = asyncio.create_task(run_worker(app, stopping))
    try:
        async with asyncio.timeout(120):
            while not running.done():
                done = app.dispatcher.holds_partitions and not await asyncio.to_thread(stage.lag)
                if done and (until is None or await asyncio.to_thread(until)):
                    stopping.set()
                await asyncio.sleep(0.1)
    finally:
        stopping.set()
        async with asyncio.timeout(60):
            ended = await running
    return ended


def make_anew(stage: Stage, topic: str, create: Callable[[], object]) -> None:
    admin = open_admin(stage.bootstrap)
    admin.delete_topics([topic])
    until = time.monotonic() + 60
    while topic in admin.list_topics():  # a busy broker still tells for a while of what it was told to delete
        assert time.monotonic() < until, f"{topic} is not deleted"
        time.sleep(0.05)
    admin.close()
    create()


def is_as_told(stage: Stage, *events: InputEvent) -> bool:
    twin = FakeTwin("A", slow=0.0)
    twin.observe(events)
    rows = stage.rows()
    return "A" in rows and digest_of(rows["A"]) == twin.digest()


EVENTS = [enrolment("A"), *(lab("A", minute) for minute in range(5))]


async def test_a_lost_changelog_is_said_and_made_again_from_the_inputs(stage: Stage, tmp_path: Path) -> None:
    stage.play(EVENTS)
    assert await work(stage, tmp_path) == 0
    make_anew(stage, changelog_of(stage.settings), lambda: ensure_changelog(stage.settings))
    stage.play([lab("A", 9)])
    with capture_logs() as logs:
        assert await work(stage, tmp_path) == 0
    assert any("the changelog is lost" in log["event"] for log in logs)
    assert is_as_told(stage, *EVENTS, lab("A", 9))

    make_anew(stage, changelog_of(stage.settings), lambda: ensure_changelog(stage.settings))
    admin = open_admin(stage.bootstrap)
    admin.delete_records({TopicPartition(stage.prefix + LABS, 0): 3})
    admin.close()
    with capture_logs() as logs:
        assert await work(stage, tmp_path) == 1, "no patient is taken for new"
    assert any("no longer begin with their first record" in str(log.get("error")) for log in logs)


async def test_an_input_topic_that_was_made_anew_is_read_from_its_new_beginning(stage: Stage, tmp_path: Path) -> None:
    stage.play(EVENTS)
    assert await work(stage, tmp_path) == 0
    make_anew(stage, stage.prefix + LABS, lambda: ensure_topics(stage.bootstrap, stage.prefix, stage.partitions))
    later = [lab("A", minute) for minute in range(3, 8)]
    stage.play(later)
    with capture_logs() as logs:
        assert await work(stage, tmp_path, lambda: is_as_told(stage, *EVENTS, *later)) == 0
    assert [log["topic"] for log in logs if "made anew" in log["event"]] == [stage.prefix + LABS]
