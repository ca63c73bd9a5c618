"""Topics read in a consumer group, safe when partitions change hands: of a sink, or of the stage that reads devices.

A partition that is taken away is forgotten with all that was read of it and not committed: whoever has it next, be it
this reader, reads on from what was committed. The client leaves a partition that comes back at once where it was read
to, so that it is turned back here. Records that come in the very poll in which that happens may be of before or of
after; they are dropped.

A reader may leave some records undone and go on: a commit names them in its metadata (`Offsets`, ``left``), and whoever
has the partition next is given those once more, and of the rest only what comes after the commit. So what waits is kept
by Kafka alone, and how far a group is stays true.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from connectors.kafka.records import Record

CALL_TIMEOUT_MS = 10_000
"""Longest wait for Kafka's answer to one call."""

MOST_RECORDS = 100
"""Records of one poll."""

LAG_TIMEOUT_MS = 2_000
"""Longest wait for the ends of the partitions: a figure for people is not worth more."""

MOST_METADATA = 4_000
"""Characters of metadata in one commit; a broker takes 4,096 (``offset.metadata.max.bytes``)."""

LEFT = "left "
"""How metadata begin that name what was left undone."""

Offsets = Mapping[tuple[str, int], int]
"""By topic (without prefix) and partition: the offset of the first record that is not done."""

Left = Mapping[tuple[str, int], Collection[int]]
"""By topic (without prefix) and partition: offsets before that one whose records are not done either."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought: records, and the (topic, partition) of which all that is not committed is void."""

    records: tuple[Record, ...]
    lost: frozenset[tuple[str, int]]


@dataclass(slots=True)
class _Caught:
    """A partition that was taken on up to ``upto``, where of what is before that only ``left`` is still to be read."""

    upto: int
    left: set[int] = field(default_factory=set)

    def brings(self, offset: int) -> bool:
        """Whether a record is still to be read; once anything behind ``upto`` comes, nothing before it will."""
        if offset >= self.upto:
            self.left.clear()
            return True
        if offset not in self.left:
            return False
        self.left.remove(offset)
        return True


class Subscription:
    """Reads ``topics`` (named without ``prefix``) through a `kafka.KafkaConsumer` that is in a group; one thread.

    ``leaves`` says that its commits may name records that were left undone.
    """

    def __init__(self, consumer: Any, topics: Sequence[str], prefix: str = "", *, leaves: bool = False) -> None:
        self._consumer, self._prefix, self._leaves = consumer, prefix, leaves
        self._changes = _Changes()
        self._unsure: set[TopicPartition] = set()
        self._caught: dict[TopicPartition, _Caught] = {}
        consumer.subscribe([prefix + topic for topic in topics], listener=self._changes)
        for topic in topics:
            # Asked before it joins: where a consumer learns of a topic's partitions while it joins, it joins again.
            consumer.partitions_for_topic(prefix + topic)

    def poll(self, timeout_ms: int) -> Polled:
        """Wait for records; also what keeps the place in the group."""
        self._read_again()
        batches = self._consumer.poll(timeout_ms=timeout_ms, max_records=MOST_RECORDS)
        lost, given = self._changes.take()
        self._unsure |= lost
        if self._leaves:  # what was left undone stands before what is committed
            self._unsure |= given
        for partition in lost:
            self._caught.pop(partition, None)
        sure = (batch for partition, batch in batches.items() if partition not in self._unsure)
        records = tuple(Record.of(record, self._prefix) for batch in sure for record in batch if self._brings(record))
        return Polled(records, frozenset(self._place(partition) for partition in lost))

    def _brings(self, record: Any) -> bool:
        caught = self._caught.get(TopicPartition(record.topic, record.partition))
        return caught is None or caught.brings(record.offset)

    def hold(self) -> None:
        """Fetch nothing until `resume`; polls go on."""
        self._consumer.pause(*self._consumer.assignment())

    def resume(self) -> None:
        """Fetch again."""
        self._consumer.resume(*self._consumer.paused())

    def commit(self, offsets: Offsets, left: Left | None = None) -> None:
        """Note what is done, for whoever reads on, and what is ``left`` undone before that.

        Where so much is left that it has no room in a commit, less is noted as done.

        Raises:
            KafkaError: it is not noted; what was done may be read again.
        """
        marks = {}
        for (topic, number), offset in offsets.items():
            partition = TopicPartition(self._prefix + topic, number)
            caught = self._caught.get(partition, _Caught(0))
            undone = {*(left or {}).get((topic, number), ()), *caught.left}
            marks[partition] = OffsetAndMetadata(*_mark(max(offset, caught.upto), undone), -1)
        self._consumer.commit(marks, timeout_ms=CALL_TIMEOUT_MS)

    def assigned(self) -> frozenset[tuple[str, int]]:
        """The (topic, partition) that it has now."""
        return frozenset(map(self._place, self._consumer.assignment()))

    def committed(self, topic: str, partition: int) -> int | None:
        """What was committed last of a partition, by whomever; None where nothing was."""
        place = TopicPartition(self._prefix + topic, partition)
        found: int | None = self._consumer.committed(place, timeout_ms=CALL_TIMEOUT_MS)
        return found

    def read_from(self, topic: str, partition: int, offset: int) -> None:
        """Read on from an offset, or from the beginning where the topic, made anew, has not come so far.

        Raises:
            KafkaError: Kafka does not say how far it is.
        """
        place = TopicPartition(self._prefix + topic, partition)
        if self._consumer.end_offsets([place], timeout_ms=CALL_TIMEOUT_MS)[place] < offset:
            self._consumer.seek_to_beginning(place)
        else:
            self._consumer.seek(place, offset)

    def unread(self) -> int | None:
        """Records of its partitions that are still to be read; None where Kafka does not say."""
        partitions = list(self._consumer.assignment())
        with suppress(KafkaError):
            ends = self._consumer.end_offsets(partitions, timeout_ms=LAG_TIMEOUT_MS) if partitions else {}
            at = {partition: self._consumer.position(partition, timeout_ms=LAG_TIMEOUT_MS) for partition in partitions}
            behind: int = sum(max(0, ends[partition] - (at[partition] or 0)) for partition in partitions)
            return behind
        return None

    def _read_again(self) -> None:
        """Turn partitions back of which what was read may be void; one that cannot be yet is tried again."""
        for partition in self._unsure & set(self._consumer.assignment()):
            with suppress(KafkaError, ValueError):  # ValueError: it went away in the meantime
                mark = self._consumer.committed(partition, metadata=True, timeout_ms=CALL_TIMEOUT_MS)
                if mark is None:
                    self._consumer.seek_to_beginning(partition)
                else:
                    left = left_undone(mark) if self._leaves else ()
                    self._consumer.seek(partition, min(left, default=mark.offset))
                    if left:
                        self._caught[partition] = _Caught(mark.offset, set(left))
                self._unsure.remove(partition)

    def _place(self, of: Any) -> tuple[str, int]:
        return of.topic.removeprefix(self._prefix), of.partition


class _Changes(ConsumerRebalanceListener):  # type: ignore[misc]
    """Remembers, from the consumer's own thread, which partitions were taken away and which were given."""

    def __init__(self) -> None:
        self._revoked: set[TopicPartition] = set()
        self._given: set[TopicPartition] = set()
        self._lock = threading.Lock()

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        with self._lock:
            self._revoked.update(revoked)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        with self._lock:
            self._given.update(assigned)

    def take(self) -> tuple[set[TopicPartition], set[TopicPartition]]:
        """The partitions lost and given since the last call."""
        with self._lock:
            taken = self._revoked, self._given
            self._revoked, self._given = set(), set()
        return taken


def _mark(offset: int, left: Iterable[int]) -> tuple[int, str]:
    """The offset to commit, and the metadata that name what is left undone before it.

    >>> _mark(30, [12, 13, 14, 20])
    (30, 'left 12-14,20')
    """
    before = sorted(one for one in left if one < offset)
    spans: list[str] = []
    room, at = MOST_METADATA - len(LEFT), 0
    while at < len(before):
        end = at
        while end + 1 < len(before) and before[end + 1] == before[end] + 1:
            end += 1
        span = f"{before[at]}-{before[end]}" if end > at else str(before[at])
        room -= len(span) + 1
        if room < 0:
            return before[at], LEFT + ",".join(spans)
        spans.append(span)
        at = end + 1
    return offset, LEFT + ",".join(spans) if spans else ""


def left_undone(mark: OffsetAndMetadata) -> list[int]:
    """Offsets before a commit whose records it left undone.

    >>> left_undone(OffsetAndMetadata(30, "left 12-14,20", -1))
    [12, 13, 14, 20]
    """
    if not str(mark.metadata or "").startswith(LEFT):
        return []
    spans = (span.partition("-") for span in mark.metadata.removeprefix(LEFT).split(","))
    found = [range(int(first), int(last or first) + 1) for first, _, last in spans]
    return [offset for span in found for offset in span if offset < mark.offset]
