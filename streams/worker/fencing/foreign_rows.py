"""Records in the changelog that this worker did not write, although it holds the partition.

The broker tells each of our records its offset. So the offsets that are missing among ours up to the end of the log are
another's, and only those are read: a partition in which nobody else writes costs one question for its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

WATCH_SECONDS = 5.0
"""Between two looks: far less than compaction leaves new records alone (`rows.changelog.ensure_changelog`)."""

PATIENCE = 20.0
"""Longest time that reading may take."""


class ForeignRecord(NamedTuple):
    """A record of the changelog, or a tombstone."""

    partition: int
    key: bytes
    value: bytes | None


class ForeignRows:
    """Which records of changelog ``topic`` were not written by this worker; ``entry`` is how Kafka is entered."""

    def __init__(self, bootstrap: str, topic: str, entry: Mapping[str, Any]) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._entry = entry
        self._next: dict[int, int] = {}
        self._ours: dict[int, set[int]] = {}

    def start(self, partition: int, offset: int) -> None:
        """The partition is held; what was written from this offset on has not been read."""
        self._next[partition] = offset
        self._ours[partition] = set()

    def stop_all(self) -> None:
        """No partition is held any more."""
        self._next.clear()
        self._ours.clear()

    def wrote(self, partition: int, offset: int) -> None:
        """The broker put a record of ours at this offset."""
        if partition in self._ours:
            self._ours[partition].add(offset)

    @property
    def partitions(self) -> tuple[int, ...]:
        """Those that are held."""
        return tuple(self._next)

    def unread(self, ends: Mapping[int, int]) -> dict[int, tuple[int, int]]:
        """From where to where each partition, which ends at ``ends``, holds records that may not be ours."""
        found = {}
        for partition, end in ends.items():
            if partition not in self._next:  # given back since the ends were asked for
                continue
            ours, offset = self._ours[partition], self._next[partition]
            while offset in ours:
                ours.remove(offset)
                offset += 1
            self._next[partition] = offset
            if offset < end:
                found[partition] = (offset, end)
        return found

    async def read(self, unread: Mapping[int, tuple[int, int]]) -> list[ForeignRecord]:
        """What stands there, without our own where we know them; it counts as read from now on."""
        places = {TopicPartition(self._topic, number): span for number, span in unread.items()}
        servers = self._bootstrap.split(",")
        consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False, **self._entry)
        found: list[ForeignRecord] = []
        async with asyncio.timeout(PATIENCE):
            await consumer.start()
            try:
                consumer.assign(list(places))
                for place, (begin, _) in places.items():
                    consumer.seek(place, begin)
                while await _unfinished(consumer, places):
                    batches: dict[Any, list[Any]] = await consumer.getmany(timeout_ms=200)
                    for place, records in batches.items():
                        ours = self._ours.get(place.partition, set())
                        within = (r for r in records if r.offset < places[place][1] and r.offset not in ours)
                        found.extend(ForeignRecord(place.partition, r.key, r.value) for r in within)
            finally:
                await consumer.stop()
        for partition, (_, end) in unread.items():
            if partition in self._next:
                self._next[partition] = max(end, self._next[partition])
                self._ours[partition] = {offset for offset in self._ours[partition] if offset >= end}
        return found


async def _unfinished(consumer: AIOKafkaConsumer, places: Mapping[TopicPartition, tuple[int, int]]) -> bool:
    return any([await consumer.position(place) < end for place, (_, end) in places.items()])
