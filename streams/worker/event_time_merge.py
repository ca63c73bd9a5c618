"""Merging the input topics by event time, so that catching up looks like having been there.

A patient's events are spread over several topics. Read live they arrive about when they happened; read from a backlog
a sparse topic would be weeks ahead of a dense one, and nearly every event of the dense one would come late to its twin,
which is correct but slow. So among the topics' partitions of one number (the same patients) the record with the
earliest event time goes first, and a record waits as long as another topic is known to have more at the broker that
has not been read yet; at most `PATIENCE` seconds. Records of one topic partition never overtake one another.

What a device said may still be on its way when other topics have come further. `Level` says whether the topics that
devices speak on have been read about equally far: before that, a device that was not heard is not silent.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from twin.clock import DAY_MS, MINUTE_MS

PATIENCE = 5.0
"""Seconds a record waits for a topic that is behind."""

FULL = 5_000
"""Records of one topic partition held; more of it is not fetched until some are released."""

AT_ONCE = 0
"""Due time of a record that no twin will be told, as its time cannot be read or lies far ahead of the record's own: it
must not hold up those behind it in its topic, or a backlog would be told without them and they would all come late."""

FAR_AHEAD_MS = DAY_MS
"""No sender's clock is believed to be so wrong; by default such events are refused (``far_future``)."""


class _Timed(msgspec.Struct):
    time: datetime


_timed = msgspec.json.Decoder(_Timed)


def due_time(record: Any) -> int:
    """What a record is ordered by (ms): its event time, or its record time where that is earlier; or `AT_ONCE`."""
    try:
        time = round(_timed.decode(record.value).time.timestamp() * 1000)
    except (msgspec.DecodeError, TypeError, ValueError, OverflowError, RecursionError):
        return AT_ONCE
    return AT_ONCE if time > record.timestamp + FAR_AHEAD_MS else min(time, int(record.timestamp))


class EventTimeMerge:
    """Holds fetched records and releases them in order of `due_time`. Partitions are ``(topic, number)`` tuples."""

    def __init__(self) -> None:
        self._held: defaultdict[Any, deque[tuple[int, Any]]] = defaultdict(deque)
        self._read: dict[Any, int] = {}
        self._waiting_since: dict[int, float] = {}

    def start(self, partition: Any, offset: int) -> None:
        """The partition will be read from ``offset``; what is held of it is void."""
        self._held.pop(partition, None)
        self._read[partition] = offset

    def add(self, records: Mapping[Any, list[Any]]) -> None:
        """Take fetched records, in offset order per partition."""
        for partition, batch in records.items():
            if batch:
                self._held[partition].extend((due_time(record), record) for record in batch)
                self._read[partition] = batch[-1].offset + 1

    def forget(self, partitions: Collection[Any] | None = None) -> None:
        """The partitions (by default all) were sought or given away: what is held of them is void."""
        for partition in list(self._held) if partitions is None else partitions:
            self._held.pop(partition, None)
            self._read.pop(partition, None)

    def full(self) -> set[Any]:
        """Partitions of which enough is held."""
        return {partition for partition, held in self._held.items() if len(held) >= FULL}

    def holding(self) -> bool:
        """Whether anything is held."""
        return any(self._held.values())

    def release(self, wanted: Collection[Any], end: Callable[[Any], int | None], now: float) -> list[tuple[Any, Any]]:
        """Records that may go, in order. ``wanted`` are the partitions being read; ``end`` is one's known log end."""
        groups: defaultdict[int, list[Any]] = defaultdict(list)
        for partition in wanted:
            groups[partition[1]].append(partition)
        released: list[tuple[Any, Any]] = []
        for number, partitions in groups.items():
            released.extend(self._release_group(number, partitions, end, now))
        return released

    def _release_group(
        self, number: int, partitions: list[Any], end: Callable[[Any], int | None], now: float
    ) -> Iterator[tuple[Any, Any]]:
        heads = [(held[0][0], place) for place, one in enumerate(partitions) if (held := self._held.get(one))]
        heapq.heapify(heads)
        behind = any(self._is_behind(one, end) for one in partitions if not self._held.get(one))
        while heads:
            if not behind:
                self._waiting_since.pop(number, None)
            elif now - self._waiting_since.setdefault(number, now) < PATIENCE:
                return
            _, place = heads[0]
            held = self._held[partitions[place]]
            yield partitions[place], held.popleft()[1]
            if held:
                heapq.heapreplace(heads, (held[0][0], place))
            else:
                heapq.heappop(heads)
                behind = behind or self._is_behind(partitions[place], end)
        self._waiting_since.pop(number, None)

    def _is_behind(self, partition: Any, end: Callable[[Any], int | None]) -> bool:
        """Whether the broker has more of a partition of which nothing is held, or has not yet said."""
        last = end(partition)
        return last is None or last > self._read.get(partition, last)


APART_MS = 5 * MINUTE_MS
"""Event time by which a topic may lag and still be level: less than the shortest silence that counts."""

IDLE_SECONDS = PATIENCE
"""A topic that has brought nothing for so long has nothing more to bring."""

LATE_SECONDS = 60.0
"""A topic that keeps lagging for so long is of a source that is always late; it holds up nothing any longer."""


class Level:
    """Whether some topics of one number have been read as far as the others. Times are monotonic seconds.

    >>> level = Level({"iomt.vitals"}, now=0.0)
    >>> level.read("iomt.pump", 3_600_000, now=1.0)
    >>> level.holds(now=1.0), level.holds(now=1.0 + IDLE_SECONDS)
    (False, True)
    """

    def __init__(self, watched: Collection[str], now: float) -> None:
        self._heads = dict.fromkeys(watched, (0, now))
        self._newest = 0
        self._held_since = now

    def read(self, topic: str, event_ms: int, now: float) -> None:
        """An event of ``topic`` with this time was taken."""
        self._newest = max(self._newest, event_ms)
        if topic in self._heads:
            self._heads[topic] = max(self._heads[topic][0], event_ms), now
        if self._is_level(now):
            self._held_since = now

    def holds(self, now: float) -> bool:
        """Whether the watched topics are level with all that was read."""
        return self._is_level(now) or now - self._held_since >= LATE_SECONDS

    def _is_level(self, now: float) -> bool:
        for head, since in self._heads.values():
            if head < self._newest - APART_MS and now - since < IDLE_SECONDS:
                return False
        return True
