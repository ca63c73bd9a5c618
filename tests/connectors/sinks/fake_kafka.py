"""A Kafka in memory that loses partitions, answers and commits when told to, and a clock that moves with each poll.

Only what `connectors.kafka.subscription` asks of a consumer. Real servers have tests of their own beside this; here it
is about what happens at the worst moment, thousands of times.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Literal

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaTimeoutError

Trouble = Literal["", "revoked before", "revoked after", "commit", "committed", "ends"]
"""What goes wrong: partitions are taken away before or after the fetch of a poll, or a question is not answered."""


class Clock:
    """Seconds that pass when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Broker:
    """Partitions with their records, and what the group has committed."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.log: dict[TopicPartition, list[bytes]] = {}
        self.committed: dict[TopicPartition, int] = {}
        self.metadata: dict[TopicPartition, str] = {}
        self.headers: list[tuple[str, bytes]] = []
        self.troubles: Iterator[Trouble] = iter(())
        self.most_at_once = 1000

    def add(self, topic: str, partition: int, *values: bytes) -> None:
        self.log.setdefault(TopicPartition(topic, partition), []).extend(values)

    def all_committed(self) -> bool:
        """Also what was left undone on the way."""
        whole = all(self.committed.get(partition, 0) == len(log) for partition, log in self.log.items())
        return whole and not any(self.metadata.values())

    def trouble(self) -> Trouble:
        return next(self.troubles, "")

    def consumer(self) -> Consumer:
        return Consumer(self)


class Consumer:
    """A member of the group, which has the partitions that no `give_away` took; it calls ``polled`` at each poll."""

    def __init__(self, broker: Broker, polled: Callable[[], object] = lambda: None) -> None:
        self.polled = polled
        self.counts: Counter[str] = Counter()
        self.known: set[str] = set()
        self._broker = broker
        self._listener: Any = None
        self._position: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._others: set[TopicPartition] = set()

    def subscribe(self, topics: list[str], listener: Any) -> None:
        self.topics, self._listener = topics, listener
        listener.on_partitions_assigned(sorted(self.assignment()))

    def partitions_for_topic(self, topic: str) -> set[int]:
        assert not self.counts["polls"], "asked while it may be joining"
        self.known.add(topic)
        return {place.partition for place in self._broker.log if place.topic == topic}

    def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        assert self.known == set(self.topics), "it joins without knowing its topics"
        self.counts["polls"] += 1
        self.polled()
        trouble = self._broker.trouble()
        if trouble == "revoked before":
            self._revoke(self._others)
        fetched = self._fetch(min(max_records, self._broker.most_at_once))
        if trouble == "revoked after":
            self._revoke(self._others)
        self._broker.clock.now += 0.001 if fetched else timeout_ms / 1000
        return fetched

    def _fetch(self, room: int) -> dict[TopicPartition, list[Any]]:
        fetched: dict[TopicPartition, list[Any]] = defaultdict(list)
        for partition in sorted(self.assignment() - self._paused):
            while room > len(fetched[partition]) and self.position(partition, 0) < len(self._broker.log[partition]):
                offset = self.position(partition, 0)
                value = self._broker.log[partition][offset]
                fetched[partition].append(
                    SimpleNamespace(
                        topic=partition.topic, partition=partition.partition, offset=offset,
                        timestamp=1_000 * offset, key=b"P-1", value=value, headers=self._broker.headers,
                    )
                )  # fmt: skip
                self._position[partition] = offset + 1
            room -= len(fetched[partition])
        return {partition: records for partition, records in fetched.items() if records}

    def assignment(self) -> set[TopicPartition]:
        return {one for one in self._broker.log if one.topic in self.topics and one not in self._others}

    def pause(self, *partitions: TopicPartition) -> None:
        self._paused.update(partitions)

    def paused(self) -> set[TopicPartition]:
        return set(self._paused)

    def resume(self, *partitions: TopicPartition) -> None:
        self._paused.difference_update(partitions)

    def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata], timeout_ms: int) -> None:
        if self._broker.trouble() == "commit":
            self._broker.clock.now += timeout_ms / 1000
            raise KafkaTimeoutError("no answer")
        assert not offsets.keys() & self._others, "commits what others have"
        marks = {partition: mark.offset for partition, mark in offsets.items()}
        self._broker.committed |= marks
        self._broker.metadata |= {partition: mark.metadata for partition, mark in offsets.items()}

    def committed(
        self, partition: TopicPartition, timeout_ms: int, *, metadata: bool = False
    ) -> int | OffsetAndMetadata | None:
        if self._broker.trouble() == "committed":
            self._broker.clock.now += timeout_ms / 1000
            raise KafkaTimeoutError("no answer")
        offset = self._broker.committed.get(partition)
        if offset is None or not metadata:
            return offset
        return OffsetAndMetadata(offset, self._broker.metadata.get(partition, ""), -1)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._position[partition] = offset

    def seek_to_beginning(self, partition: TopicPartition) -> None:
        self._position[partition] = 0

    def end_offsets(self, partitions: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        if self._broker.trouble() == "ends":
            self._broker.clock.now += timeout_ms / 1000
            raise KafkaTimeoutError("no answer")
        return {partition: len(self._broker.log[partition]) for partition in partitions}

    def position(self, partition: TopicPartition, timeout_ms: int) -> int:  # noqa: ARG002
        return self._position.setdefault(partition, self._broker.committed.get(partition, 0))

    def give_away(self, *partitions: TopicPartition) -> None:
        """Other members have these partitions from now on, and this one all the others."""
        self._revoke(set(partitions))

    def _revoke(self, others: set[TopicPartition]) -> None:
        had = self.assignment()
        self._listener.on_partitions_revoked(sorted(had))
        self._others = others
        # One that it has again stays where it was read to, as the client does it; another is at what was committed.
        kept = had & self.assignment()
        self._position = {partition: at for partition, at in self._position.items() if partition in kept}
        self._paused &= kept
        self._listener.on_partitions_assigned(sorted(self.assignment()))
