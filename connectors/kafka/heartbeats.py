"""The newest heartbeat of every partition, read once, for whoever asks how the workers are."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from connectors.kafka.clients import open_consumer
from connectors.kafka.records import decode_record
from connectors.kafka.topics import HEARTBEATS
from twin.events import Heartbeat

READ_SECONDS = 10.0
"""Longest time given to the broker to hand them out."""


class LastBeat(NamedTuple):
    """A heartbeat, and how many seconds ago the broker took it."""

    beat: Heartbeat
    age: float


def last_beats(bootstrap: str, prefix: str = "") -> tuple[LastBeat, ...]:
    """The newest heartbeat of each partition that one was ever heard of, by partition.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
        ValidationError: something else than heartbeats is on the topic.
    """
    consumer = open_consumer(bootstrap)
    try:
        places = _places(consumer, prefix + HEARTBEATS)
        if not places:
            return ()
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        begins = consumer.beginning_offsets(places)
        waiting = {place for place in places if ends[place] > begins[place]}
        for place in waiting:
            consumer.seek(place, max(begins[place], ends[place] - 1))
        found: dict[int, LastBeat] = {}
        until = time.monotonic() + READ_SECONDS
        while waiting and time.monotonic() < until:
            for place, records in consumer.poll(timeout_ms=200).items():
                beat = decode_record(HEARTBEATS, records[-1].value)
                assert isinstance(beat, Heartbeat), "decode_record reads this topic as heartbeats"
                found[place.partition] = LastBeat(beat, max(time.time() - records[-1].timestamp / 1000, 0.0))
                waiting.discard(place)
        return tuple(found[partition] for partition in sorted(found))
    finally:
        consumer.close()


def any_waits(bootstrap: str, topics: Iterable[str]) -> bool:
    """Whether any of these topics, named as the broker has them, holds a record; raises `KafkaUnreachable`."""
    consumer = open_consumer(bootstrap)
    try:
        places = [place for topic in topics for place in _places(consumer, topic)]
        if not places:
            return False
        begins, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        return any(ends[place] > begins[place] for place in places)
    finally:
        consumer.close()


def _places(consumer: Any, topic: str) -> list[Any]:
    from kafka import TopicPartition

    known = consumer.partitions_for_topic(topic) or ()
    return [TopicPartition(topic, partition) for partition in sorted(known)]
