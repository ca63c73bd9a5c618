"""How far consumer groups are behind, asked of the broker: also of those whose readers died."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from connectors.kafka.clients import open_admin, open_consumer

LOOK_SECONDS = 2.0
"""Longest time given to the broker to hand out the records that wait."""


class GroupLag(NamedTuple):
    """Records that a group has not committed, the age (s) of the oldest of them, and whether anybody reads in it."""

    records: int
    behind_seconds: float
    running: bool


def group_lags(bootstrap: str, topics: Mapping[str, Collection[str]]) -> dict[str, GroupLag]:
    """How far each group is that the broker knows, by name.

    Args:
        bootstrap: Kafka servers, ``host:port`` separated by commas.
        topics: by group, what it reads, named as the broker has it. Of a partition that it never committed all counts.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
        KafkaError: it does not say.
    """
    admin = open_admin(bootstrap)
    try:
        states = {str(each["group_id"]): str(each.get("group_state", "")) for each in admin.list_groups()}
        known = [group for group in topics if group in states]
        marks = {group: admin.list_group_offsets({group: None}).get(group, {}) for group in known}
    finally:
        admin.close()
    consumer = open_consumer(bootstrap, max_partition_fetch_bytes=1, fetch_max_bytes=1)
    try:
        return {
            group: GroupLag(*_behind(consumer, topics[group], marks[group]), running=states[group] != "Empty")
            for group in known
        }
    finally:
        consumer.close()


def _behind(consumer: Any, topics: Collection[str], marks: Mapping[Any, Any]) -> tuple[int, float]:
    """Records that wait, and the age (s) of the oldest."""
    from kafka import TopicPartition

    places = [
        TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()
    ]
    begins, ends = (consumer.beginning_offsets(places), consumer.end_offsets(places)) if places else ({}, {})
    done = {place: max(begins[place], marks[place].offset if place in marks else 0) for place in places}
    waiting = {place: ends[place] - done[place] for place in places if ends[place] > done[place]}
    return sum(waiting.values()), _age(consumer, {place: done[place] for place in waiting})


def _age(consumer: Any, at: Mapping[Any, int]) -> float:
    """Seconds since the broker took the oldest of the records at these places, of those that it hands out in time."""
    if not at:
        return 0.0
    consumer.assign(list(at))
    for place, offset in at.items():
        consumer.seek(place, offset)
    missing, oldest = set(at), time.time()
    until = time.monotonic() + LOOK_SECONDS
    while missing and time.monotonic() < until:
        for place, records in consumer.poll(timeout_ms=200).items():
            if place in missing:
                missing.discard(place)
                consumer.pause(place)
                oldest = min(oldest, records[0].timestamp / 1000)
    return max(time.time() - oldest, 0.0)
