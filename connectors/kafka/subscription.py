"""Topics read in a consumer group, safe when partitions change hands: of a sink, or of the stage that reads devices.

A partition that is taken away is forgotten with all that was read of it and not committed: whoever has it next, be it
this reader, reads on from what was committed. Records that come in the very poll in which that happens may be of before
or of after; they are dropped, and the partition is read again from its committed place.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
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

Offsets = Mapping[tuple[str, int], int]
"""By topic (without prefix) and partition: the offset of the first record that is not done."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll brought: records, and the (topic, partition) of which all that is not committed is void."""

    records: tuple[Record, ...]
    lost: frozenset[tuple[str, int]]


class Subscription:
    """Reads ``topics`` (named without ``prefix``) through a `kafka.KafkaConsumer` that is in a group; one thread."""

    def __init__(self, consumer: Any, topics: Sequence[str], prefix: str = "") -> None:
        self._consumer, self._prefix = consumer, prefix
        self._revoked = _Revoked()
        self._unsure: set[TopicPartition] = set()
        consumer.subscribe([prefix + topic for topic in topics], listener=self._revoked)
        for topic in topics:
            # Asked before it joins: where a consumer learns of a topic's partitions while it joins, it joins again, and
            # if a poll ends in the middle of that, it never hears what it was given.
            consumer.partitions_for_topic(prefix + topic)

    def poll(self, timeout_ms: int) -> Polled:
        """Wait for records; also what keeps the place in the group."""
        self._read_again()
        batches = self._consumer.poll(timeout_ms=timeout_ms, max_records=MOST_RECORDS)
        lost = self._revoked.take()
        self._unsure |= lost & batches.keys()
        sure = (batch for partition, batch in batches.items() if partition not in self._unsure)
        records = tuple(Record.of(record, self._prefix) for batch in sure for record in batch)
        return Polled(records, frozenset(self._place(partition) for partition in lost))

    def hold(self) -> None:
        """Fetch nothing until `resume`; polls go on."""
        self._consumer.pause(*self._consumer.assignment())

    def resume(self) -> None:
        """Fetch again."""
        self._consumer.resume(*self._consumer.paused())

    def commit(self, offsets: Offsets) -> None:
        """Note what is done, for whoever reads on.

        Raises:
            KafkaError: it is not noted; what was done may be read again.
        """
        marks = {
            TopicPartition(self._prefix + topic, partition): OffsetAndMetadata(offset, "", -1)
            for (topic, partition), offset in offsets.items()
        }
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
        """Turn partitions back whose last poll is void; one that cannot be turned back now is tried again."""
        for partition in self._unsure & set(self._consumer.assignment()):
            with suppress(KafkaError, ValueError):  # ValueError: it went away in the meantime
                committed = self._consumer.committed(partition, timeout_ms=CALL_TIMEOUT_MS)
                if committed is None:
                    self._consumer.seek_to_beginning(partition)
                else:
                    self._consumer.seek(partition, committed)
                self._unsure.remove(partition)

    def _place(self, of: Any) -> tuple[str, int]:
        return of.topic.removeprefix(self._prefix), of.partition


class _Revoked(ConsumerRebalanceListener):  # type: ignore[misc]
    """Remembers, from the consumer's own thread, which partitions were taken away."""

    def __init__(self) -> None:
        self._partitions: set[TopicPartition] = set()
        self._lock = threading.Lock()

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        with self._lock:
            self._partitions.update(revoked)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Nothing to do: reading starts from what was committed."""

    def take(self) -> set[TopicPartition]:
        """The partitions lost since the last call."""
        with self._lock:
            taken, self._partitions = self._partitions, set()
        return taken
