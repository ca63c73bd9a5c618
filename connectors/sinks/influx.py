"""Time series and alerts from Kafka into InfluxDB 2, in a consumer group of its own.

Records are read in micro-batches, written synchronously, and only then are their offsets committed: what is committed
is in the database, and what a crash left in between is written again to the same points. While InfluxDB does not
answer, the partitions are paused and Kafka keeps the stream; polling goes on, so the place in the group is kept.
A line that InfluxDB refuses is found by halving the batch: the others are written, and the record it came from goes to
the dead-letter topic.
"""

from __future__ import annotations

import base64
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError
from pydantic import ValidationError

from connectors.kafka.clients import open_consumer, open_producer
from connectors.kafka.records import decode_record
from connectors.kafka.topics import REJECTED, REJECTED_BYTES
from connectors.settings import Settings
from connectors.sinks.arrival import Arrival
from connectors.sinks.event_lines import event_lines, topics_drawn
from twin.events import BadEvent, Rejected, encode

TOPICS = topics_drawn()
"""What is drawn: all that the twin says, the dead letters, and of the inputs the vitals and the planned doses."""

GROUP = "sink-influx"

BATCH_LINES = 1000
"""Lines that end the collecting of a batch; a call carries up to about twice as many."""

MAX_WAIT = 0.5
"""Seconds that the first record of a batch waits for company."""

POLL_MS = 200
"""How long one poll may block, and so how long a stop can go unnoticed."""

CALL_TIMEOUT_MS = 10_000
"""Longest wait for InfluxDB's answer to one call."""

FIRST_DELAY, LONGEST_DELAY = 0.25, 15.0
"""Seconds before the first and the later attempts while InfluxDB is down."""

_REFUSING = frozenset({400, 413, 422})
"""Answers about the lines themselves. Others (a wrong token, a missing bucket) are mended outside, so they wait."""

log = structlog.get_logger(__name__)

Write = Callable[[Sequence[str]], None]
"""Writes lines or raises `Unavailable` or `Refused`; returns when they are durable."""


class Unavailable(Exception):
    """The lines could not be written now, through no fault of theirs."""


class Refused(Exception):
    """Some of the lines will never be accepted."""


class InfluxWriter:
    """Synchronous writes of line protocol with nanosecond times."""

    def __init__(self, url: str, token: str, org: str, bucket: str, timeout_ms: int = CALL_TIMEOUT_MS) -> None:
        from influxdb_client.client.influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS

        self._client = InfluxDBClient(url=url, token=token, org=org, timeout=timeout_ms, retries=False)
        self._api = self._client.write_api(write_options=SYNCHRONOUS)
        self._bucket, self._org = bucket, org

    def __call__(self, lines: Sequence[str]) -> None:
        """Write ``lines`` in one call.

        Raises:
            Refused: InfluxDB refuses a line; the others may or may not have been written.
            Unavailable: anything else; nothing is known about the lines.
        """
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        try:
            self._api.write(bucket=self._bucket, org=self._org, record="\n".join(lines))
        except ApiException as error:
            if error.status in _REFUSING:
                raise Refused(str(error.message or error.body or error.reason)) from None
            raise Unavailable(f"HTTP {error.status} {error.reason}") from None
        except (HTTPError, OSError) as error:
            raise Unavailable(type(error).__name__) from None

    def close(self) -> None:
        """Give up the connections."""
        self._client.close()  # type: ignore[no-untyped-call]


def write_or_find(write: Write, lines: Sequence[str]) -> list[tuple[int, str]]:
    """Write all of ``lines`` that are accepted; returns (index, reason) of each that is not.

    ``m`` refused lines of ``n`` cost about ``2 m log2(n)`` calls.
    """
    try:
        write(lines)
    except Refused as refusal:
        if len(lines) == 1:
            return [(0, str(refusal))]
        half = len(lines) // 2
        first = write_or_find(write, lines[:half])  # in order, as the last line about a point is the one that stays
        return first + [(half + index, reason) for index, reason in write_or_find(write, lines[half:])]
    return []


def delays(chance: Callable[[], float]) -> Iterator[float]:
    """Seconds to wait before each further attempt: doubling up to a cap, each shortened by up to a half at random."""
    delay = FIRST_DELAY
    while True:
        yield delay * (0.5 + 0.5 * chance())
        delay = min(2 * delay, LONGEST_DELAY)


@dataclass(frozen=True, slots=True)
class _Read:
    """A record as read, and the lines it became or why it became none."""

    partition: TopicPartition
    offset: int
    key: bytes | None
    value: bytes
    lines: list[str]
    fault: str | None


class InfluxSink:
    """Moves records from ``consumer`` through ``write`` and commits them; one thread calls `run`.

    ``dead_letter(key, rejected)`` returns when the dead letter is durable and raises `KafkaError` otherwise. ``now`` is
    a monotonic clock in seconds and ``chance`` gives uniform numbers in [0, 1) for the jitter.

    ``points`` (lines written), ``events`` (records done), ``refused`` (records put aside) and ``outages`` (times that
    writing had to wait) count what was done so far.
    """

    def __init__(
        self,
        consumer: Any,
        write: Write,
        dead_letter: Callable[[bytes | None, Rejected], None],
        *,
        prefix: str = "",
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.points = self.events = self.refused = self.outages = 0
        self._consumer, self._write, self._dead_letter = consumer, write, dead_letter
        self._prefix, self._now, self._chance = prefix, now, chance
        self._pending: deque[_Read] = deque()
        self._written: dict[TopicPartition, int] = {}
        self._since = now()
        self._lost = _LostPartitions()
        consumer.subscribe([prefix + topic for topic in TOPICS], listener=self._lost)

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop``; what is unwritten then stays in Kafka for the next run."""
        while not stop.is_set():
            self._collect(stop)
            self._deliver(stop)

    def summary(self) -> dict[str, int]:
        """The counts, by name."""
        return {"points": self.points, "events": self.events, "refused": self.refused, "outages": self.outages}

    def _collect(self, stop: threading.Event) -> None:
        """Read until a batch is full or old enough."""
        while not stop.is_set() and sum(len(read.lines) for read in self._pending) < BATCH_LINES:
            waiting = bool(self._pending or self._written)
            if waiting and self._now() - self._since >= MAX_WAIT:
                return
            self._poll(POLL_MS)

    def _deliver(self, stop: threading.Event) -> None:
        """Write and commit what is pending, however long InfluxDB is away."""
        waits = delays(self._chance)
        waited = False
        while self._pending:
            try:
                self._write_some()
            except (Unavailable, KafkaError) as error:
                if not waited:
                    self.outages += 1
                    log.warning("writing waits, Kafka keeps the stream", cause=str(error) or type(error).__name__)
                waited = True
                if not self._wait(next(waits), stop):
                    break
        if waited and not self._pending:
            log.info("writing goes on")
        self._consumer.resume(*self._consumer.paused())
        self._commit()

    def _poll(self, timeout_ms: int) -> None:
        records = self._consumer.poll(timeout_ms=timeout_ms, max_records=100)
        lost = self._lost.take()
        if lost:  # whoever owns them now, be it this sink, reads on from what was committed
            self._written = {partition: offset for partition, offset in self._written.items() if partition not in lost}
            self._pending = deque(read for read in self._pending if read.partition not in lost)
        if records and not self._pending:
            self._since = self._now()
        self._pending.extend(self._read(record) for batch in records.values() for record in batch)

    def _read(self, record: Any) -> _Read:
        partition, value = TopicPartition(record.topic, record.partition), record.value or b""
        topic = record.topic.removeprefix(self._prefix)
        lines: list[str] = []
        fault = None
        try:
            arrival = Arrival(record.timestamp, record.partition, record.offset)
            lines = event_lines(decode_record(topic, value), arrival)
        except BadEvent:
            pass  # an input: the worker writes its dead letter
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            fault = f"field '{'.'.join(map(str, first['loc'])) or 'event'}': {first['msg']}"
        return _Read(partition, record.offset, record.key, value, lines, fault)

    def _write_some(self) -> None:
        """Write the oldest pending records, about `BATCH_LINES` lines, and put aside those that cannot be."""
        reads: list[_Read] = []
        lines: list[str] = []
        origins: list[_Read] = []
        for read in self._pending:
            if lines and len(lines) + len(read.lines) > 2 * BATCH_LINES:
                break
            reads.append(read)
            lines += read.lines
            origins += [read] * len(read.lines)
        refused = write_or_find(self._write, lines) if lines else []
        reasons = {(read.partition, read.offset): ("bad_output", read.fault) for read in reads if read.fault}
        for index, answer in refused:
            reasons.setdefault((origins[index].partition, origins[index].offset), ("influx_refused", answer))
        for read in reads:
            if (reason := reasons.get((read.partition, read.offset))) is not None:
                self._put_aside(read, *reason)
        self.points += len(lines) - len(refused)
        self.events += len(reads)
        self.refused += len(reasons)
        for read in reads:
            self._pending.popleft()
            self._written[read.partition] = read.offset + 1

    def _put_aside(self, read: _Read, reason: str, detail: str) -> None:
        where = {"topic": read.partition.topic, "partition": read.partition.partition, "offset": read.offset}
        log.warning("record put aside", reason=reason, **where)
        if read.partition.topic == self._prefix + REJECTED:
            return  # a dead letter about a dead letter would never end
        patient, event = _names(read.value)
        original = base64.b64encode(read.value).decode()
        letter = Rejected(
            reason=reason, detail=detail, patient_id=patient, event_id=event, original_base64=original, **where
        )
        self._dead_letter(read.key, letter)

    def _wait(self, seconds: float, stop: threading.Event) -> bool:
        """Stay in the group with all partitions paused for ``seconds``; False when asked to stop."""
        until = self._now() + seconds
        while not stop.is_set() and (left := until - self._now()) > 0:
            self._consumer.pause(*self._consumer.assignment())
            self._poll(min(POLL_MS, int(1000 * left) + 1))
        return not stop.is_set()

    def _commit(self) -> None:
        if not self._written:
            return
        offsets = {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in self._written.items()}
        try:
            self._consumer.commit(offsets, timeout_ms=CALL_TIMEOUT_MS)
        except KafkaError as error:  # the points stand: committed with the next batch, or written again unchanged
            log.warning("offsets not committed yet", cause=type(error).__name__)
            self._since = self._now()
            return
        self._written = {}


class _LostPartitions(ConsumerRebalanceListener):  # type: ignore[misc]
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


@contextmanager
def open_sink(settings: Settings) -> Iterator[InfluxSink]:
    """A sink on the servers of ``settings``, in the consumer group `GROUP`; its connections are closed at the end.

    InfluxDB need not be up yet. Raises `KafkaUnreachable` where Kafka does not answer.
    """
    consumer = open_consumer(
        settings.kafka,
        group_id=settings.topic_prefix + GROUP,
        auto_offset_reset="earliest",
        session_timeout_ms=10_000,
        heartbeat_interval_ms=2_000,
    )
    producer = open_producer(settings.kafka, acks="all", max_request_size=REJECTED_BYTES)
    writer = InfluxWriter(settings.influx_url, settings.influx_token, settings.influx_org, settings.influx_bucket)

    def dead_letter(key: bytes | None, rejected: Rejected) -> None:
        sent = producer.send(settings.topic_prefix + REJECTED, key=key, value=encode(rejected))
        sent.get(timeout=CALL_TIMEOUT_MS / 1000)

    try:
        yield InfluxSink(consumer, writer, dead_letter, prefix=settings.topic_prefix)
    finally:
        consumer.close()
        producer.close()
        writer.close()


def _names(value: bytes) -> tuple[str | None, str | None]:
    """Patient and event as a refused record names them, where it does."""
    try:
        loose = json.loads(value)
    except ValueError:
        return None, None
    named = loose if isinstance(loose, dict) else {}
    patient, event = named.get("patient_id"), named.get("event_id")
    return (patient if isinstance(patient, str) else None, event if isinstance(event, str) else None)
