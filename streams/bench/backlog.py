"""How a worker folds years that wait for it, against a replay of the same record without any server.

By processor time, which other programs hardly change: what the whole replay costs, over what the worker's process costs
from its start until all is handled, without what the same process costs where nothing waits. Both have the kernels in
the cache on disk.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from connectors.kafka.topics import ensure_topics
from streams.batch.cases import Case, EventPlace, RecordedEvent
from streams.batch.replay import replay_case
from streams.bench.patients import years
from streams.bench.stream import (
    PATIENCE,
    WORKER,
    BenchmarkFailed,
    _handled,
    _metrics,
    _process,
    _processor_time,
    _send,
    _surroundings,
)
from streams.worker.twin_factory import LibraryTwins
from twin import load_model
from twin.events import decode, encode, to_millis

PARTITIONS = 2

REFOLDS = "dosetwin_refolds_total"


def backlog_vs_replay(
    bootstrap: str,
    model_id: str,
    *,
    patients: int,
    days: int,
    particles: int,
    say: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """``backlog_vs_replay``, and ``backlog_refolds``, how often a twin folded again meanwhile.

    The stories stand in each topic one after another, the results before all else.

    Args:
        bootstrap: broker, ``host:port``.
        model_id: a model of 6-mercaptopurine.

    Raises:
        BenchmarkFailed: the worker ended, or was not through within `PATIENCE` seconds.
    """
    model = load_model(model_id)
    stories = {name: [encode(event) for event in years(name, model, days)] for name in _names(patients)}
    LibraryTwins(particles).compile([model_id])
    say(f"{days} days of {patients} patients: replay")
    begun = time.process_time()
    for name, story in stories.items():
        recorded = (
            RecordedEvent(to_millis(decode(raw).time), raw, EventPlace("bench", number))
            for number, raw in enumerate(story)
        )
        replay_case(Case(name, model, tuple(recorded)), particles)
    replayed = time.process_time() - begun
    say("the same, waiting for a worker")
    environment = {"DOSETWIN_PARTICLES": str(particles), "DOSETWIN_READY": model_id}
    nothing, _ = _spent(bootstrap, [], environment)
    told = [raw for story in stories.values() for raw in story]
    told.sort(key=lambda raw: decode(raw).kind != "lab_result")
    folded, refolds = _spent(bootstrap, told, environment)
    return {
        "backlog_vs_replay": round(replayed / max(folded - nothing, 0.01), 2),
        "backlog_refolds": round(refolds),
    }


def _names(patients: int) -> list[str]:
    return [f"BACKLOG-{number}" for number in range(patients)]


def _spent(bootstrap: str, waiting: list[bytes], environment: dict[str, str]) -> tuple[float, float]:
    """Processor seconds of a worker until it has handled what waits, and its refolds."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    ensure_topics(bootstrap, prefix, PARTITIONS)
    _send(bootstrap, prefix, waiting, rate=None)
    with _process(WORKER, _surroundings(bootstrap, prefix, PARTITIONS, environment)) as process:
        process.wait_until(lambda: "worker ready" in process.said())
        address = process.metrics_address()
        if not process.watch(lambda: _handled(_metrics(address)) >= len(waiting), PATIENCE):
            raise BenchmarkFailed(f"{len(waiting)} events that waited were not handled in {PATIENCE:.0f} s")
        metrics = _metrics(address)
        return _processor_time(metrics), metrics[REFOLDS]
