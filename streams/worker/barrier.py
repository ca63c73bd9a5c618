"""Barriers: how far a partition is done, and when to make that permanent.

At a barrier of one partition everything that its handled events brought forth is made durable in this order: outputs,
then state rows, then the mark up to which the input may be committed. A crash between any two of these leaves input
that is read again, and state rows that know which of it they contain.

`Frontier` knows up to where every record is handled, although patients overtake one another. `Cadence` says when a
barrier is due; `HeldPartition` has both of a partition. The barrier itself is
`streams.worker.dispatcher.PartitionDispatcher.barrier`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field

from streams.worker.engine import KafkaRecord
from streams.worker.event_time_merge import Level
from streams.worker.records.bursts import ReadTo

BARRIER_EVENTS = 5_000
"""Default most events of one partition between two barriers."""

BARRIER_SECONDS = 30.0
"""Default longest time between two barriers of a partition in which anything happened."""


class Frontier:
    """The offset below which every admitted record of one topic partition is handled.

    >>> frontier = Frontier(10)
    >>> for offset in (10, 11, 12): frontier.admit(offset)
    >>> frontier.done(11); frontier.offset
    10
    >>> frontier.done(10); frontier.offset
    12
    """

    def __init__(self, start: int) -> None:
        self.offset = start
        self._next = start
        self._open: deque[int] = deque()
        self._done: set[int] = set()

    def admit(self, offset: int) -> None:
        """A record is taken; offsets come in increasing order."""
        if offset < self._next:
            raise ValueError(f"offset {offset} admitted after {self._next - 1}")
        self._open.append(offset)
        self._next = offset + 1

    def passed(self, offset: int) -> None:
        """A record is taken and handled at once, as most are."""
        if self._open or offset < self._next:
            self.admit(offset)
            self.done(offset)
        else:
            self.offset = self._next = offset + 1

    def done(self, offset: int) -> None:
        """The record at ``offset`` is handled."""
        if self._open and self._open[0] == offset and not self._done:
            self._open.popleft()
            self.offset = self._open[0] if self._open else self._next
            return
        if offset >= self.offset:
            self._done.add(offset)
        while self._open and self._open[0] in self._done:
            self._done.discard(self._open.popleft())
        self.offset = self._open[0] if self._open else self._next


@dataclass
class Cadence:
    """When a partition's next barrier is due. Times are seconds of any monotonic clock, given by the caller.

    ``since_events`` and ``since_time`` are how many events were taken since the last one, and when that was.
    """

    events: int = BARRIER_EVENTS
    seconds: float = BARRIER_SECONDS
    since_events: int = 0
    since_time: float = 0.0

    def due(self, now: float) -> bool:
        """Whether to run a barrier, if anything is unsettled; a partition that has fallen idle becomes due by time."""
        return self.since_events >= self.events or now - self.since_time >= self.seconds

    def passed(self, now: float) -> None:
        """A barrier was begun."""
        self.since_events = 0
        self.since_time = now


@dataclass
class HeldPartition:
    """One number of all input topics together: their patients are the same."""

    cadence: Cadence
    level: Level
    frontiers: dict[str, Frontier] = field(default_factory=dict)
    settled: dict[str, int] = field(default_factory=dict)
    unsettled: list[Awaitable[object]] = field(default_factory=list)
    barrier: asyncio.Lock = field(default_factory=asyncio.Lock)
    read_to: ReadTo = field(default_factory=ReadTo)
    newest_ms: int | None = None

    def taken(self, record: KafkaRecord) -> None:
        """The record is to be handled."""
        self.cadence.since_events += 1
        self.frontiers[record.topic].admit(record.offset)

    def passed(self, record: KafkaRecord) -> None:
        """The record is taken, and done with."""
        self.cadence.since_events += 1
        self.frontiers[record.topic].passed(record.offset)
        if self.newest_ms is None or record.timestamp > self.newest_ms:
            self.newest_ms = record.timestamp

    def handled(self, record: KafkaRecord) -> None:
        """The record is done with."""
        self.frontiers[record.topic].done(record.offset)
        if self.newest_ms is None or record.timestamp > self.newest_ms:
            self.newest_ms = record.timestamp


async def durable(sent: Iterable[Awaitable[object]]) -> None:
    """Wait until the broker has everything; raises the first error."""
    for confirmation in sent:
        await confirmation
