"""Merging the input topics by event time, so that catching up looks like having been there.

A patient's events are spread over several topics. Read live they arrive about when they happened; read from a backlog
a sparse topic would be weeks ahead of a dense one, and nearly every event of the dense one would come late to its twin,
which is correct but slow. So among the topics' partitions of one number (the same patients) the record with the
earliest event time goes first, and a record waits as long as another topic is known to have more at the broker that
has not been read yet. Records of one topic partition never overtake one another.

A topic may tell one patient's years after another's. So a record also waits for what is held of the same patient in
another topic and is due earlier; and where a topic goes back in time, the others are read `FULL` records ahead first.

A topic that brings nothing although more is there (its leader is lost) is waited for no longer than `PATIENCE`, or
`PATIENCE_WITH_HISTORY` before what happened long ago, for which nobody waits. Only time spent on fetching counts: while
twins fold what was released, nothing can be brought. What it brings at last begins a new patience.

What a device said may still be on its way when other topics have come further. `Level` says whether the topics that
devices speak on have been read about equally far: before that, a device that was not heard is not silent.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from heapq import heapify, heapreplace
from typing import Any

import msgspec

from connectors.kafka.topics import COMMANDS, LABS, ORDERS, PUMP, VITALS
from twin.clock import DAY_MS, HOUR_MS, MINUTE_MS

PATIENCE = 5.0
"""Seconds of fetching for which a record waits for a topic that is behind and brings nothing."""

PATIENCE_WITH_HISTORY = 60.0
"""The same for a record of an event that is older than `HISTORY_MS`: years that are told out of order are folded again
and again."""

HISTORY_MS = HOUR_MS
"""What is not of the present any more."""

FULL = 5_000
"""Records of one topic partition held; more of it is not fetched until some are released."""

AT_ONCE = 0
"""Due time of a record that no twin will be told, as its time cannot be read or lies far ahead of the record's own: it
must not hold up those behind it in its topic, or a backlog would be told without them and they would all come late."""

FAR_AHEAD_MS = DAY_MS
"""No sender's clock is believed to be so wrong; by default such events are refused (``far_future``)."""


SAME_TIME = (COMMANDS, ORDERS, LABS, PUMP, VITALS)
"""Topics in the order in which events of the same millisecond go. A reading comes last: mostly nothing follows of it
but that its time has come, and what is said then must know of the dose at that time."""


@cache
def _rank(topic: str) -> int:
    return next((rank for rank, name in enumerate(SAME_TIME) if topic.endswith(name)), len(SAME_TIME))


class _Timed(msgspec.Struct):
    time: datetime


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_timed = msgspec.json.Decoder(_Timed)


def due_time(record: Any) -> int:
    """What a record is ordered by (ms): its event time, or its record time where that is earlier; or `AT_ONCE`."""
    try:
        since, recorded = _timed.decode(record.value).time - _EPOCH, record.timestamp
    except (msgspec.DecodeError, TypeError, ValueError, OverflowError, RecursionError):
        return AT_ONCE
    time = DAY_MS * since.days + 1000 * since.seconds + since.microseconds // 1000
    if time <= recorded:
        return time
    return AT_ONCE if time > recorded + FAR_AHEAD_MS else int(recorded)


class _Topic:
    """What is held of one topic partition.

    Attributes:
        read: offset up to which it was fetched; ``None`` where that is not known.
        lacking_since: seconds of fetching when it was first seen to bring nothing although more is there.
        newest: due time of the newest record released.
        turns: how often what is held goes back in time.
    """

    def __init__(self, read: int | None = None) -> None:
        self.read = read
        self.lacking_since: float | None = None
        self.newest = AT_ONCE
        self.turns = 0
        self._records: deque[tuple[int, Any]] = deque()
        self._due: dict[Any, deque[int]] | None = None  # of each patient's records; made when it is asked for

    def __len__(self) -> int:
        return len(self._records)

    def add(self, batch: list[Any]) -> None:
        records = self._records
        before = records[-1][0] if records else AT_ONCE
        for due, record in zip(map(due_time, batch), batch, strict=True):
            records.append((due, record))
            if due < before:
                self.turns += 1
            before = due
        self.read = batch[-1].offset + 1
        self.lacking_since = self._due = None

    @property
    def head(self) -> tuple[int, Any]:
        """Due time and record of the next."""
        return self._records[0]

    def pop(self) -> tuple[Any, int | None]:
        """The next record, and the due time of the one after it; ``None`` where that is not held."""
        records = self._records
        due, record = records.popleft()
        if due > self.newest:
            self.newest = due
        if self._due is not None and due != AT_ONCE:
            self._due[record.key].popleft()
        if not records:
            return record, None
        after = records[0][0]
        if after < due:
            self.turns -= 1
        return record, after

    def is_due_before(self, key: Any, due: int) -> bool:
        """Whether the next record held of this patient is due earlier."""
        if self._due is None:
            self._due = {}
            for other, record in self._records:
                if other != AT_ONCE:
                    self._due.setdefault(record.key, deque()).append(other)
        dues = self._due.get(key)
        return dues is not None and len(dues) > 0 and dues[0] < due


class EventTimeMerge:
    """Holds fetched records and releases them in order of `due_time`. Partitions are ``(topic, number)`` tuples."""

    def __init__(self) -> None:
        self._topics: defaultdict[Any, _Topic] = defaultdict(_Topic)

    def start(self, partition: Any, offset: int) -> None:
        """The partition will be read from ``offset``; what is held of it is void."""
        self._topics[partition] = _Topic(offset)

    def add(self, records: Mapping[Any, list[Any]]) -> None:
        """Take fetched records, in offset order per partition."""
        for partition, batch in records.items():
            if batch:
                self._topics[partition].add(batch)

    def forget(self, partitions: Collection[Any] | None = None) -> None:
        """The partitions (by default all) were sought or given away: what is held of them is void."""
        for partition in list(self._topics) if partitions is None else partitions:
            self._topics.pop(partition, None)

    def full(self) -> set[Any]:
        """Partitions of which enough is held."""
        return {partition for partition, topic in self._topics.items() if len(topic) >= FULL}

    def holding(self) -> bool:
        """Whether anything is held."""
        return any(map(len, self._topics.values()))

    def release(
        self, wanted: Collection[Any], end: Callable[[Any], int | None], fetching: float, now_ms: float
    ) -> list[tuple[Any, Any]]:
        """Records that may go, in order.

        Args:
            wanted: the partitions being read.
            end: the known end of a partition's log.
            fetching: seconds that have been spent on fetching so far.
            now_ms: wall clock.
        """
        groups: defaultdict[int, list[Any]] = defaultdict(list)
        for partition in wanted:
            groups[partition[1]].append(partition)
        released: list[tuple[Any, Any]] = []
        for partitions in groups.values():
            partitions.sort(key=lambda partition: _rank(partition[0]))
            released.extend(self._release_group(partitions, end, fetching, now_ms - HISTORY_MS))
        return released

    def _release_group(
        self, partitions: list[Any], end: Callable[[Any], int | None], fetching: float, history: float
    ) -> Iterator[tuple[Any, Any]]:
        topics = [self._topics[partition] for partition in partitions]
        behind = [topic for one, topic in zip(partitions, topics, strict=True) if _is_behind(topic, end(one))]
        turns = any(topic.turns for topic in topics)
        heads = [(topic.head[0], place) for place, topic in enumerate(topics) if topic]
        heapify(heads)
        while heads:
            head = heads[0]
            # Where no topic goes back in time, nothing that is held is due before the earliest head.
            if turns and _outruns(head, topics):
                head = next((other for other in sorted(heads)[1:] if not _outruns(other, topics)), head)
            due, place = head
            topic = topics[place]
            if behind and due != AT_ONCE:
                least = FULL if due < topic.newest - HISTORY_MS else 1
                patience = PATIENCE if due > history else PATIENCE_WITH_HISTORY
                if any(_lacks(one, least, fetching, patience) for one in behind if one is not topic):
                    return
            record, after = topic.pop()
            yield partitions[place], record
            if head is heads[0] and after is not None:
                heapreplace(heads, (after, place))
                continue
            heads.remove(head)
            if after is not None:
                heads.append((after, place))
            heapify(heads)


def _is_behind(topic: _Topic, end: int | None) -> bool:
    """Whether the broker has more of a topic than was read, or has not yet said."""
    if end is not None and (topic.read is None or end <= topic.read):
        topic.lacking_since = None
        return False
    return True


def _lacks(topic: _Topic, least: int, fetching: float, patience: float) -> bool:
    """Whether fewer records are held of a topic that is behind than have to be looked at, and are waited for."""
    if len(topic) >= least:
        return False
    if topic.lacking_since is None:
        topic.lacking_since = fetching
    return fetching - topic.lacking_since < patience


def _outruns(head: tuple[int, int], topics: list[_Topic]) -> bool:
    """Whether another topic holds something of the same patient that is due earlier, behind others' records."""
    due, place = head
    key = topics[place].head[1].key
    return due != AT_ONCE and any(topic.is_due_before(key, due) for topic in topics if topic is not topics[place])


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
    False
    >>> level.holds(now=1.0), level.holds(now=1.0 + IDLE_SECONDS)
    (False, True)
    """

    def __init__(self, watched: Collection[str], now: float) -> None:
        self._heads = dict.fromkeys(watched, (0, now))
        self._newest = 0
        self._held_since = now

    def read(self, topic: str, event_ms: int, now: float) -> bool:
        """An event of ``topic`` with this time was taken; whether the watched topics are level after it."""
        if event_ms > self._newest:
            self._newest = event_ms
        if (head := self._heads.get(topic)) is not None:
            self._heads[topic] = event_ms if event_ms > head[0] else head[0], now
        if self._is_level(now):
            self._held_since = now
            return True
        return now - self._held_since >= LATE_SECONDS

    def holds(self, now: float) -> bool:
        """Whether the watched topics are level with all that was read."""
        return self._is_level(now) or now - self._held_since >= LATE_SECONDS

    def _is_level(self, now: float) -> bool:
        for head, since in self._heads.values():
            if head < self._newest - APART_MS and now - since < IDLE_SECONDS:
                return False
        return True
