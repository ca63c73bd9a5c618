"""Rows of a worker that lost its partitions, or of one that took them over, beside those of who holds them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka.producer.future import RecordMetadata

from streams.worker.app import BROKER_LOST, WorkerOptions, build_worker, run_worker
from streams.worker.rows.changelog import changelog_of
from streams.worker.rows.state_row import decode_row, of_term, term_of
from tests.streams.worker.fake_twin import FakeTwins
from tests.streams.worker.stage import Stage, enrolment, lab


@pytest.fixture
def stage(kafka: str) -> Iterator[Stage]:
    stage = Stage(kafka, partitions=1)
    yield stage
    stage.close()


def write(stage: Stage, key: bytes, value: bytes | None) -> RecordMetadata:
    return stage.producer.send(changelog_of(stage.settings), key=key, value=value).get(10)


def newest(stage: Stage) -> dict[bytes, Any]:
    return {record.key: record.value for record in stage.records(changelog_of(stage.settings))}


async def _until(stage: Stage, holds: Any) -> None:
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(lambda: holds(newest(stage))):
            await asyncio.sleep(0.1)


async def test_what_others_write_never_stands(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.worker.app.WATCH_SECONDS", 0.3)
    stage.play([enrolment("A"), enrolment("B"), lab("A", 5)])
    app = build_worker(stage.settings, FakeTwins(), tmp_path, WorkerOptions(barrier_seconds=0.2, session_timeout=6))
    running = asyncio.create_task(run_worker(app, asyncio.Event()))
    await _until(stage, lambda rows: {b"A", b"B"} <= set(rows) and decode_row(rows[b"A"]).applied[0][2] >= 0)
    await asyncio.to_thread(stage.wait_until_committed)

    rows = newest(stage)
    held = term_of(rows[b"A"])
    assert held is not None
    write(stage, b"A", of_term(rows[b"A"], held - 1))
    write(stage, b"B", None)
    await _until(stage, lambda now: (now[b"A"], now[b"B"]) == (rows[b"A"], rows[b"B"]))

    last = write(stage, b"A", of_term(rows[b"A"], held + 1)).offset
    assert await asyncio.wait_for(running, 20) == BROKER_LOST, "who is not the newest holder gives way"
    assert [record.offset for record in stage.records(changelog_of(stage.settings))][-1] == last
