"""The chain of what was said of alerts, on a topic of its own, written by one at a time.

Links are written in transactions of one producer id: a writer that is killed leaves nothing half written, and one that
another has taken over from can write no more. Whoever begins reads the last link of each partition and goes on after
the record that it tells of, so that every record is told of once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from kafka import TopicPartition

from connectors.alerts.chain import Entry, broken, entry_of, read_entry
from connectors.kafka.clients import kept_records, open_admin, open_consumer, open_producer
from connectors.kafka.topics import ALERTS, ensure_topics
from connectors.settings import Settings

AUDIT = "twin.audit"
"""The topic of the chain: nothing on it is ever deleted."""

WAIT_MS = 500
_NEVER = 2**63 - 1


def ensure_audit_topic(settings: Settings) -> None:
    """Create the topic of the chain, and that of the alerts, unless they are there.

    Raises:
        KafkaUnreachable: no broker answers.
        TopicError: the alerts have another number of partitions.
    """
    ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions, (ALERTS,))
    name = settings.topic_prefix + AUDIT
    admin = open_admin(settings.kafka)
    try:
        configs = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
        wanted = {name: {"num_partitions": settings.partitions, "replication_factor": -1, "configs": configs}}
        admin.create_topics(wanted, raise_errors=False)
        admin.wait_for_topics([name])
    finally:
        admin.close()


def write_chain(settings: Settings, stop: Callable[[], bool], *, follow: bool = True) -> int:
    """Tell of every record of the alerts, and of those to come until asked to stop; how many were told of.

    Without ``follow`` it ends with what there is now.

    Raises:
        KafkaUnreachable: no broker answers.
        TopicError: the alerts have another number of partitions.
        kafka.errors.KafkaError: another writer has taken over, or the broker went away.
    """
    ensure_audit_topic(settings)
    producer = open_producer(settings.kafka, transactional_id=f"{settings.topic_prefix}dosetwin-audit", acks="all")
    consumer = open_consumer(settings.kafka)
    count = 0
    try:
        producer.init_transactions()
        last = _last_links(settings)
        places = [TopicPartition(settings.topic_prefix + ALERTS, number) for number in range(settings.partitions)]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        for place in places:
            if (link := last.get(place.partition)) is not None:
                consumer.seek(place, max(link.offset + 1, consumer.beginning_offsets([place])[place]))
        ends = consumer.end_offsets(places)
        while not stop():
            batches = consumer.poll(timeout_ms=WAIT_MS)
            if batches:
                count += _tell(settings, producer, last, batches)
            elif not follow and all(consumer.position(place) >= ends[place] for place in places):
                break
    finally:
        consumer.close()
        producer.close(timeout=5)
    return count


def verify_chain(settings: Settings) -> dict[int, list[str]]:
    """What is wrong with the chain, by partition; an empty list where it holds.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    found: dict[int, list[str]] = {}
    for number in range(settings.partitions):
        links, alerts = _both(settings, number)
        found[number] = list(broken(links, alerts, min(alerts, default=_NEVER)))
    return found


@dataclass(frozen=True)
class ChainState:
    """How the chain stands: links that there are, records at the end that no link tells of yet, and what is wrong."""

    links: int
    waiting: int
    faults: tuple[str, ...]


def chain_state(settings: Settings) -> ChainState | None:
    """How the chain stands; None where there is no topic of it.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    consumer = open_consumer(settings.kafka)
    try:
        names = [settings.topic_prefix + topic for topic in (AUDIT, ALERTS)]
        if not set(names) <= consumer.topics():
            return None
        kept, told_of = (consumer.partitions_for_topic(name) for name in names)
    finally:
        consumer.close()
    count = waiting = 0
    faults: list[str] = []
    for number in sorted(kept & told_of):
        links, alerts = _both(settings, number)
        last = _last_offset(links)
        told = {offset: value for offset, value in alerts.items() if offset <= last}
        count, waiting = count + len(links), waiting + len(alerts) - len(told)
        wrong = broken(links, told, min(alerts, default=_NEVER))
        faults += [f"partition {number}: {fault}" for fault in wrong]
    return ChainState(count, waiting, tuple(faults))


def _both(settings: Settings, number: int) -> tuple[list[bytes], dict[int, bytes]]:
    """The links of a partition, then its records of alerts by offset, so that no link is of a later one."""
    links = [record.value for record in _records(settings, AUDIT, number)]
    return links, {record.offset: record.value for record in _records(settings, ALERTS, number)}


def _last_offset(links: Sequence[bytes]) -> int:
    """The offset of the newest record that a link tells of; -1 of none."""
    for value in reversed(links):
        with contextlib.suppress(msgspec.MsgspecError):
            return read_entry(value).offset
    return -1


def _tell(settings: Settings, producer: Any, last: dict[int, Entry], batches: dict[Any, list[Any]]) -> int:
    producer.begin_transaction()
    told = 0
    for place, records in batches.items():
        for record in records:
            link = entry_of(last.get(place.partition), record.offset, record.value or b"")
            producer.send(settings.topic_prefix + AUDIT, value=msgspec.json.encode(link), partition=place.partition)
            last[place.partition] = link
            told += 1
    producer.commit_transaction()
    return told


def _last_links(settings: Settings) -> dict[int, Entry]:
    """The newest link of each partition that was committed."""
    found = {}
    for number in range(settings.partitions):
        for record in _records(settings, AUDIT, number):
            found[number] = read_entry(record.value)
    return found


def _records(settings: Settings, topic: str, number: int) -> list[Any]:
    """Every committed record of a partition."""
    place = TopicPartition(settings.topic_prefix + topic, number)
    return list(kept_records(settings.kafka, [place], isolation_level="read_committed"))
