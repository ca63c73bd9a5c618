"""A worker that stands still although there is something to do: it says so, and ends so that it is started anew.

Two things can stand still while broker and event loop are well:

- the *recovery* of a partition: the changelog has rows that were not read, and the client brings none of them. Until
  all are there no twin of any partition moves;
- the *inputs*: records wait at the broker, and none comes through.

What began either is in the client's threads and gone with them, so the worker ends with a named error, and whoever
keeps it running starts it again (`streams.worker.app.broker_lost`). A broker that is away is waited for: then nothing
is expected to move.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Protocol

import structlog
from faust.types import TP

from connectors.kafka.clients import broker_answers
from streams.worker.dispatcher import PartitionDispatcher
from streams.worker.heartbeat import Progress
from streams.worker.metrics import WorkerMetrics
from streams.worker.offset_continuity import Continuity

LOOK_SECONDS = 1.0
"""Time between two looks at a recovery."""

SAID_SECONDS = 10.0
"""A recovery that has not moved for so long is told of."""

RECOVERY_SECONDS = 60.0
"""A recovery that has not moved for so long ends the worker: a row takes microseconds, a fetch at most seconds."""

STALL_SECONDS = 180.0
"""A worker that is behind and has taken nothing for so long ends."""

_log = structlog.get_logger("dosetwin.worker")


class ConsumerStuck(RuntimeError):
    """Records wait at the broker, and the client brings none."""


class RecoveryStuck(RuntimeError):
    """State rows wait at the broker, and the client brings none."""


class RecoveryWatch:
    """For how long each partition's recovery has stood where it is.

    Time counts between two looks only as far as looks are apart, so that a process that was frozen is given its time.

    >>> watch = RecoveryWatch()
    >>> watch.look({0: 700, 1: 5}, now=10.0), watch.look({0: 700, 1: 4}, now=11.0), watch.look({0: 700}, now=99.0)
    ({0: 0.0, 1: 0.0}, {0: 1.0, 1: 0.0}, {0: 3.0})
    """

    def __init__(self) -> None:
        self._remaining: dict[int, int] = {}
        self._looked = 0.0
        self.still: dict[int, float] = {}

    def look(self, remaining: Mapping[int, int], now: float) -> dict[int, float]:
        """Seconds for which nothing came, by partition that still lacks rows; ``remaining`` is how many each lacks."""
        passed = min(now - self._looked, 2 * LOOK_SECONDS)
        self.still = {
            number: self.still.get(number, 0.0) + passed if self._remaining.get(number) == rows else 0.0
            for number, rows in remaining.items()
            if rows > 0
        }
        self._remaining, self._looked = dict(remaining), now
        return self.still

    def forget(self) -> None:
        """Begin anew: nothing could be expected to move."""
        self._remaining, self.still = {}, {}

    def progress(self) -> list[Progress]:
        """What heartbeats say of partitions whose recovery stands still."""
        return [
            Progress(number, 0, seconds, seconds, unsettled=True, stands_still=True)
            for number, seconds in sorted(self.still.items())
            if seconds >= SAID_SECONDS
        ]

    def told(self) -> str:
        """The same in words; empty where all moves."""
        still = [
            f"the recovery of partition {number} has stood still for {seconds:.0f} s, and lacks {rows} state rows"
            for number, seconds in sorted(self.still.items())
            if seconds >= SAID_SECONDS and (rows := self._remaining[number])
        ]
        return "; ".join(still)


class Watched(Protocol):
    """What is looked at of a worker (`streams.worker.app.TwinApp`)."""

    dispatcher: PartitionDispatcher
    metrics: WorkerMetrics
    continuity: Continuity
    recovery_watch: RecoveryWatch
    bootstrap: str
    last_taken: float

    @property
    def tables(self) -> Any: ...

    @property
    def consumer(self) -> Any: ...


def remaining_rows(app: Watched) -> dict[int, int]:
    """Offsets up to the changelog's end that were not read yet, by partition; empty where nothing is recovered."""
    recovery = app.tables.recovery
    if not recovery.in_recovery:
        return {}
    return {tp.partition: rows for tp, rows in recovery.active_remaining().items()}


async def watch_recovery(app: Watched) -> None:
    """Look at the recovery once a second, as long as the worker runs.

    Raises:
        RecoveryStuck: it has stood still for `RECOVERY_SECONDS`, and the broker answers.
    """
    watch, told = app.recovery_watch, False
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        still = watch.look(remaining_rows(app), time.monotonic())
        app.metrics.recovering(still)
        longest = max(still.values(), default=0.0)
        if longest < SAID_SECONDS:
            told = False
            continue
        if not await asyncio.to_thread(broker_answers, app.bootstrap):
            watch.forget()
            continue
        if not told:
            told = True
            _log.warning("the recovery stands still", partitions=sorted(still), seconds=round(longest))
        if longest >= RECOVERY_SECONDS:
            raise RecoveryStuck(f"{watch.told()}: the worker begins anew")


async def check_inputs(app: Watched) -> None:
    """Look whether records wait at the broker and none has come through for `STALL_SECONDS`, of partitions that do not
    rest: while one patient has too much waiting, nothing of its partition is asked for.

    Raises:
        ConsumerStuck: so it is.
    """
    if time.monotonic() - app.last_taken < STALL_SECONDS or app.dispatcher.is_full:
        return
    resting = app.dispatcher.resting
    expected = {tp: offset for tp, offset in app.continuity.all_expected().items() if tp[1] not in resting}
    ends = await app.consumer.highwaters(*(TP(*partition) for partition in expected))
    behind = sum(max((ends.get(TP(*tp)) or 0) - offset, 0) for tp, offset in expected.items())
    if behind:
        raise ConsumerStuck(f"{behind} records wait and none came for {STALL_SECONDS:.0f} s")
