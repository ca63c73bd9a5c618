"""Heartbeats: each partition's worker says every second that it lives, and how far it is.

Whoever shows what the twins say (the console, ``dosetwin doctor``) can then tell a twin that stands still from one of
which there is no news. A beat is sent only from the event loop that also runs barriers, so a worker that hangs falls
silent. The newest beat of a partition stays on its topic, also of a worker that died.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog

from streams.worker.metrics import WorkerMetrics
from twin.events import Heartbeat, encode
from twin.events.outputs.heartbeat import MOST_SEALED

BEAT_SECONDS = 1.0
"""Time between two beats of a partition."""

BEHIND_SECONDS = 10.0
"""A partition whose newest handled record is older than this while others wait is catching up."""

STUCK_SECONDS = 30.0
"""A barrier that is so much overdue (after three that were missed) is not coming."""

FAREWELL_SECONDS = 2.0
"""Longest time given to the last beat."""

_log = structlog.get_logger("dosetwin.worker")


@dataclass(frozen=True)
class Progress:
    """How far one partition is; seconds are ages. ``unsettled``: something handled is not permanent yet;
    ``stands_still``: its state rows do not come."""

    partition: int
    lag: int
    behind: float
    barrier: float
    unsettled: bool
    sealed: tuple[tuple[str, str], ...] = ()
    stands_still: bool = False


def state_of(progress: Progress, barrier_every: float) -> Literal["live", "behind", "stuck"]:
    """What a partition's progress amounts to, with barriers due every ``barrier_every`` seconds.

    >>> state_of(Progress(0, lag=7, behind=60.0, barrier=5.0, unsettled=True), barrier_every=30.0)
    'behind'
    """
    if progress.stands_still or (progress.unsettled and progress.barrier > 3 * barrier_every + STUCK_SECONDS):
        return "stuck"
    return "behind" if progress.lag > 0 and progress.behind > BEHIND_SECONDS else "live"


def name_of(instance: str) -> str:
    """What a worker is called: as it was told, or by its machine and process; other signs become dashes.

    >>> name_of("ward 1/a")
    'ward-1-a'
    """
    name = instance or f"{socket.gethostname()}-{os.getpid()}"
    return re.sub(r"[^A-Za-z0-9._-]|^[._-]+", "-", name)[-64:].lstrip("-._") or "worker"


Say = Callable[[int, bytes], Awaitable[Awaitable[object]]]
"""Queue a beat of a partition at the producer; what it gives is done when the broker has it."""


class Heart:
    """Beats for all partitions of a worker.

    Args:
        worker: its name.
        partitions: how many there are in all.
        barrier_every: seconds between barriers.
        say: see `Say`.
        metrics: where the same is shown.
    """

    def __init__(self, worker: str, partitions: int, barrier_every: float, say: Say, metrics: WorkerMetrics) -> None:
        self._worker = worker
        self._partitions = partitions
        self._barrier_every = barrier_every
        self._say = say
        self._metrics = metrics
        self._beaten = float("-inf")
        self._beating: asyncio.Task[None] | None = None

    def tick(self, now: float, progress: Callable[[], Iterable[Progress]]) -> None:
        """Beat if it is time to; ``now`` is monotonic seconds. A broker that takes nothing is not waited for."""
        if now - self._beaten < BEAT_SECONDS or (self._beating is not None and not self._beating.done()):
            return
        self._beaten = now
        beats = [self._beat(one, state_of(one, self._barrier_every)) for one in progress()]
        self._beating = asyncio.ensure_future(self._send(beats))

    async def farewell(self, progress: Iterable[Progress]) -> None:
        """The last word of partitions that are given back."""
        beats = [self._beat(one, "stopped") for one in progress]
        self._metrics.forget_partitions()
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                if self._beating is not None:
                    await self._beating
                await self._send(beats)
        except TimeoutError:
            _log.warning("the broker did not take the last heartbeat")

    def _beat(self, progress: Progress, state: Literal["live", "behind", "stuck", "stopped"]) -> Heartbeat:
        self._metrics.progressed(progress.partition, progress.lag, progress.behind, progress.barrier)
        return Heartbeat(
            worker=self._worker,
            partition=progress.partition,
            partitions=self._partitions,
            time=datetime.now(UTC),
            state=state,
            lag=progress.lag,
            behind_seconds=round(progress.behind, 3),
            barrier_seconds=round(progress.barrier, 3),
            sealed=dict(progress.sealed[:MOST_SEALED]),
        )

    async def _send(self, beats: list[Heartbeat]) -> None:
        try:
            for confirmation in [await self._say(beat.partition, encode(beat)) for beat in beats]:
                await confirmation
        except Exception as error:  # a beat that is lost shows by itself: there is none
            _log.debug("heartbeat failed", error=type(error).__name__)
