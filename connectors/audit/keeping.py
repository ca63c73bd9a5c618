"""The chains of what was said of alerts and of who looked, each on a topic of its own, written by one at a time.

Links are written in transactions of one producer id: a writer that is killed leaves nothing half written, and one that
another has taken over from can write no more. Whoever begins reads the last link of each partition and goes on after
the record that it tells of, so that every record is told of once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from kafka import TopicPartition

from connectors.audit.access import Access, missing, read_access
from connectors.audit.chain import Entry, broken, entry_of, read_entry
from connectors.kafka.clients import kept_records, open_consumer, open_producer
from connectors.kafka.topics import ACCESS_AUDIT, ACCESSES, ALERTS, AUDIT, AUDIT_TOPICS, ensure_topics
from connectors.settings import Settings
from twin.events import Alert, decode_output

WAIT_MS = 500
_NEVER = 2**63 - 1

Says = Mapping[str, str | int]


def _of_alert(value: bytes) -> Says:
    """What a record of the alerts says, but not of whom; nothing where it is no alert."""
    try:
        alert = decode_output(value)
    except ValueError:
        return {}
    if not isinstance(alert, Alert):
        return {}
    return {
        "alert_id": alert.alert_id,
        "revision": alert.revision,
        "rule": alert.rule,
        "state": alert.state,
        "phase": alert.phase,
        "severity": alert.severity,
        "time": alert.time.isoformat(),
        "by": "" if alert.handled is None else alert.handled.by,
    }


def _of_access(value: bytes) -> Says:
    """What was done when, neither by whom nor to whom: accesses end some day, and the chain does not."""
    try:
        access = read_access(value)
    except msgspec.MsgspecError:
        return {}
    return {"deed": access.deed, "outcome": access.outcome, "time": access.time}


def _wrong_with_accesses(values: Iterable[bytes]) -> Iterator[str]:
    told: list[Access] = []
    for value in values:
        with contextlib.suppress(msgspec.MsgspecError):
            told.append(read_access(value))
    return missing(told)


@dataclass(frozen=True)
class Chained:
    """A topic that a chain is kept of: its name, that of the chain, what its records are in words, what each says, and
    what beyond the chain may be wrong with all of a partition."""

    topic: str
    chain: str
    records: str
    says: Callable[[bytes], Says]
    wrong: Callable[[Iterable[bytes]], Iterator[str]] = lambda _: iter(())


CHAINED = (
    Chained(ALERTS, AUDIT, "alerts", _of_alert),
    Chained(ACCESSES, ACCESS_AUDIT, "accesses", _of_access, _wrong_with_accesses),
)


def transactional_id(settings: Settings) -> str:
    """Under which the chains are written."""
    return f"{settings.topic_prefix}dosetwin-audit"


def write_chain(settings: Settings, stop: Callable[[], bool], *, follow: bool = True) -> int:
    """Tell of every alert and access, and of those to come until asked to stop; how many were told of.

    Without ``follow`` it ends with what there is now.

    Raises:
        KafkaUnreachable: no broker answers.
        TopicError: a topic has another number of partitions.
        kafka.errors.KafkaError: another writer has taken over, or the broker went away.
    """
    ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions, (ALERTS, *AUDIT_TOPICS))
    producer = open_producer(settings.kafka, transactional_id=transactional_id(settings), acks="all")
    consumer = open_consumer(settings.kafka)
    count = 0
    try:
        producer.init_transactions()
        last = _last_links(settings)
        places = [
            TopicPartition(settings.topic_prefix + one.topic, number)
            for one in CHAINED
            for number in range(settings.partitions)
        ]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        for place in places:
            if (link := last.get(place)) is not None:
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


def verify_chain(settings: Settings) -> dict[str, list[str]]:
    """What is wrong with each partition of the chains, by its name; an empty list where it holds.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    found: dict[str, list[str]] = {}
    for one in CHAINED:
        for number, (links, records) in _both(settings, one, settings.partitions).items():
            found[f"{settings.topic_prefix}{one.chain}[{number}]"] = list(_wrong(one, links, records, records))
    return found


@dataclass(frozen=True)
class ChainState:
    """How the chains stand: links that there are, records at the end that no link tells of yet, and what is wrong."""

    links: int
    waiting: int
    faults: tuple[str, ...]


@dataclass(frozen=True)
class ChainFigures:
    """How one chain stands: as `ChainState`, and by what its newest link says when that was, where it says so."""

    chain: str
    links: int
    waiting: int
    newest: str | None
    faults: tuple[str, ...]


def chain_state(settings: Settings) -> ChainState | None:
    """How the chains stand together; None where there is no topic of them.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    found = chain_figures(settings)
    if not found:
        return None
    faults = tuple(fault for one in found for fault in one.faults)
    return ChainState(sum(one.links for one in found), sum(one.waiting for one in found), faults)


def chain_figures(settings: Settings) -> list[ChainFigures]:
    """How each chain stands that there is a topic of.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    consumer = open_consumer(settings.kafka)
    try:
        there = consumer.topics()
        numbers = {
            one: len(consumer.partitions_for_topic(settings.topic_prefix + one.chain))
            for one in CHAINED
            if {settings.topic_prefix + one.chain, settings.topic_prefix + one.topic} <= there
        }
    finally:
        consumer.close()
    return [_figures(settings, one, partitions) for one, partitions in numbers.items()]


def _figures(settings: Settings, one: Chained, partitions: int) -> ChainFigures:
    count = waiting = 0
    faults: list[str] = []
    times: list[str] = []
    for number, (links, records) in _both(settings, one, partitions).items():
        newest = _newest(links)
        told = {offset: value for offset, value in records.items() if newest and offset <= newest.offset}
        count, waiting = count + len(links), waiting + len(records) - len(told)
        faults += [f"{one.chain}[{number}]: {fault}" for fault in _wrong(one, links, told, records)]
        times += [str(newest.says["time"])] if newest and "time" in newest.says else []
    return ChainFigures(one.chain, count, waiting, max(times, key=datetime.fromisoformat, default=None), tuple(faults))


def _wrong(
    one: Chained, links: Sequence[bytes], told: Mapping[int, bytes], records: Mapping[int, bytes]
) -> Iterator[str]:
    """What is wrong with a partition: ``told`` are those of its ``records`` that the chain is to tell of."""
    yield from broken(links, told, min(records, default=_NEVER), one.records)
    yield from one.wrong(records.values())


def _both(settings: Settings, one: Chained, partitions: int) -> dict[int, tuple[list[bytes], dict[int, bytes]]]:
    """By partition its links, then its records by offset, so that no link is of a later one."""
    found: dict[int, tuple[list[bytes], dict[int, bytes]]] = {number: ([], {}) for number in range(partitions)}
    for record in _records(settings, one.chain, partitions):
        found[record.partition][0].append(record.value)
    for record in _records(settings, one.topic, partitions):
        found[record.partition][1][record.offset] = record.value or b""
    return found


def _newest(links: Sequence[bytes]) -> Entry | None:
    """The newest link that can be read."""
    for value in reversed(links):
        with contextlib.suppress(msgspec.MsgspecError):
            return read_entry(value)
    return None


def _tell(settings: Settings, producer: Any, last: dict[Any, Entry], batches: dict[Any, list[Any]]) -> int:
    of = {settings.topic_prefix + one.topic: one for one in CHAINED}
    producer.begin_transaction()
    told = 0
    for place, records in batches.items():
        one = of[place.topic]
        for record in records:
            value = record.value or b""
            link = entry_of(last.get(place), record.offset, value, one.says(value))
            chain = settings.topic_prefix + one.chain
            producer.send(chain, value=msgspec.json.encode(link), partition=place.partition)
            last[place] = link
            told += 1
    producer.commit_transaction()
    return told


def _last_links(settings: Settings) -> dict[Any, Entry]:
    """The newest link that was committed, by the partition that it tells of."""
    found = {}
    for one in CHAINED:
        for record in _records(settings, one.chain, settings.partitions):
            place = TopicPartition(settings.topic_prefix + one.topic, record.partition)
            found[place] = read_entry(record.value)
    return found


def _records(settings: Settings, topic: str, partitions: int) -> Iterator[Any]:
    """Every committed record of a topic, those of a partition in order."""
    places = [TopicPartition(settings.topic_prefix + topic, number) for number in range(partitions)]
    return kept_records(settings.kafka, places, isolation_level="read_committed")
