"""Years that wait at the broker: each twin folds its story once, in the order of events, however the topics come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faust.types import TP

from connectors.kafka.topics import ESTIMATES, LABS, topic_of
from streams.bench.patients import years
from streams.worker.app import TwinApp, WorkerOptions, build_worker, run_worker
from streams.worker.twin_factory import LibraryTwins
from tests.streams.worker.stage import Stage
from twin import PatientTwin, load_model
from twin.events import LabResult, encode

DAYS, PARTICLES = 400, 32
PATIENTS = ("A", "B", "C")
LATER = 2.0
"""Seconds for which the results are not fetched while all else is: four times what the worker's patience is here."""


@pytest.fixture
def stage(kafka: str) -> Iterator[Stage]:
    stage = Stage(kafka)
    yield stage
    stage.close()


def hold_back_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a while nothing of the topic of results is fetched, though the broker says that it is there."""
    name, until = "faust.transport.drivers.aiokafka.Consumer._getmany", list[float]()
    from faust.transport.drivers.aiokafka import Consumer

    fetch: Any = Consumer._getmany

    async def partial(self: Any, wanted: set[TP], timeout: float) -> Any:
        results = {tp for tp in wanted if tp.topic.endswith(LABS)}
        if results and not until:
            until.append(time.monotonic() + LATER)
        if not results or time.monotonic() > until[0]:
            return await fetch(self, wanted, timeout)
        if wanted > results:
            return await fetch(self, wanted - results, timeout)
        await asyncio.sleep(timeout)
        return {}

    monkeypatch.setattr(name, partial)
    monkeypatch.setattr("streams.worker.event_time_merge.PATIENCE", LATER / 4)


async def until_all_is_done(app: TwinApp, events: int) -> None:
    async with asyncio.timeout(300):
        while sum(app.metrics._passed.came.values()) < events or not app.dispatcher.is_idle:
            await asyncio.sleep(0.1)


async def test_years_that_wait_are_folded_once_in_event_order(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model("mercaptopurine_jost2020")
    stories = {patient: years(patient, model, DAYS) for patient in PATIENTS}
    # The topics outrun one another: results first, then all else, and in each topic one patient after another.
    stage.play(event for story in stories.values() for event in story if isinstance(event, LabResult))
    stage.play(event for story in stories.values() for event in story if not isinstance(event, LabResult))
    hold_back_results(monkeypatch)

    app = build_worker(stage.settings, LibraryTwins(PARTICLES), tmp_path, WorkerOptions())
    stopping = asyncio.Event()
    running = asyncio.create_task(run_worker(app, stopping))
    await until_all_is_done(app, sum(map(len, stories.values())))
    stopping.set()
    assert await running == 0

    assert app.metrics.refolds._value.get() == 0
    assert not stage.rejected()
    published = {patient: list[bytes]() for patient in PATIENTS}
    for record in stage.records(stage.prefix + ESTIMATES):
        published[record.key.decode()].append(record.value)
    for patient, row in stage.rows().items():
        twin = PatientTwin(patient, model, PARTICLES)
        outputs = twin.observe(stories[patient]).outputs
        said = [encode(output) for output in outputs if topic_of(output) == ESTIMATES]
        # Of two events of one millisecond that are told in two goes the same is said twice, to the same bytes.
        assert list(dict.fromkeys(published[patient])) == said
        assert len(published[patient]) < 1.2 * len(said)
        folded = PatientTwin.from_row(row.twin, model)
        assert folded.posterior().eta.tobytes() == twin.posterior().eta.tobytes()
