"""The stage that reads devices on Kafka: partitions in a consumer group, each with its journal.

A batch is one poll. Its dead letters are confirmed, then its rows are, in one transaction, then the events that follow;
only then its offsets are committed. After any error of Kafka's, such as a broker that is away or another process that
has taken a partition, all that is in memory is let go of and read back from the rows.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from kafka.errors import KafkaError

from connectors.kafka.clients import KafkaUnreachable, abandon, confirm, open_consumer, open_producer
from connectors.kafka.membership import client_name
from connectors.kafka.records import Record, dead_letter
from connectors.kafka.subscription import Subscription
from connectors.kafka.topics import DEVICE_STATE, DEVICES, REJECTED, REJECTED_BYTES, topic_of
from connectors.privacy.letters import hidden_letter
from connectors.privacy.patient_keys import patient_keys
from connectors.settings import Settings
from streams.devices.journal import Journal
from streams.devices.metrics import DeviceMetrics
from streams.devices.partition import Bounds, DevicePartition, Step
from streams.devices.rows import PARTITION, BadRow, partition_row
from twin.events import InputEvent, Rejected, encode

POLL_MS = 200
"""Longest wait for records, and so how long a stop can go unnoticed."""

LOOK_SECONDS = 5.0
"""Between two looks at how much is still to be read, and at what has waited too long."""

HUNG_SECONDS = 120.0
"""Without a turn of the loop for so long the process counts as hung."""

FIRST_DELAY, LONGEST_DELAY = 0.25, 10.0
"""Seconds before the first and the later attempts while Kafka does not do what is asked."""

log = structlog.get_logger("dosetwin.devices")


class StateLost(RuntimeError):
    """The rows of a partition are gone; the message says which, and how to go on."""


@dataclass(frozen=True, slots=True)
class StageOptions:
    """How it runs: what is kept, its name in the group, seconds of silence after which its partitions go to another,
    and whether a partition whose rows are lost begins anew."""

    bounds: Bounds = field(default_factory=Bounds)
    instance: str = ""
    session_timeout: float = 10.0
    begin_anew: bool = False


def group_of(settings: Settings) -> str:
    """The consumer group."""
    return f"{settings.topic_prefix}dosetwin-devices"


class DeviceService:
    """Runs until it is told to stop, whatever Kafka does; what it says of itself is for the page for machines."""

    def __init__(self, settings: Settings, options: StageOptions) -> None:
        self.metrics = DeviceMetrics()
        self._settings, self._options = settings, options
        self._turned, self._said = time.monotonic(), "it has no partition yet"

    def dead(self) -> str:
        """Why it must be started again; empty while its loop turns."""
        silent = time.monotonic() - self._turned
        return f"no turn for {silent:.0f} s" if silent > HUNG_SECONDS else ""

    def waiting(self) -> str:
        """Why nothing is told now; empty where that is not so."""
        return self.dead() or self._said

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop``.

        Raises:
            StateLost: the rows of a partition are gone.
            BadRow: a row cannot be read.
            KeysUnusable: the store of keys that the environment names cannot be used.
        """
        delay = FIRST_DELAY
        while not stop.is_set():
            try:
                with _open_stage(self._settings, self._options, self.metrics) as stage:
                    while not stop.is_set():
                        stage.turn()
                        self._turned, self._said = time.monotonic(), stage.waiting
                        delay = FIRST_DELAY if stage.worked else delay
            except (KafkaError, KafkaUnreachable) as error:
                self._turned, self._said = time.monotonic(), f"Kafka: {type(error).__name__}"
                self.metrics.restarts.inc()
                log.warning("devices wait and begin anew from their rows", cause=type(error).__name__)
                stop.wait(delay * random.uniform(0.5, 1.0))
                delay = min(2 * delay, LONGEST_DELAY)


@contextmanager
def _open_stage(settings: Settings, options: StageOptions, metrics: DeviceMetrics) -> Iterator[_Stage]:
    with ExitStack() as opened:
        consumer = open_consumer(
            settings.kafka,
            client_id=client_name(),
            group_id=group_of(settings),
            group_instance_id=options.instance or None,
            auto_offset_reset="earliest",
            session_timeout_ms=round(options.session_timeout * 1000),
            heartbeat_interval_ms=round(options.session_timeout * 1000 / 5),
        )
        opened.callback(consumer.close)
        producer = open_producer(settings.kafka, acks="all", enable_idempotence=True, max_request_size=REJECTED_BYTES)
        opened.callback(abandon, producer)
        stage = _Stage(settings, options, Subscription(consumer, [DEVICES], settings.topic_prefix), producer, metrics)
        opened.callback(stage.close)
        yield stage


class _Held:
    """A partition that this process has."""

    def __init__(self, journal: Journal, partition: DevicePartition) -> None:
        self.journal, self.partition = journal, partition


class _Stage:
    """From the partitions' rows until an error of Kafka's. ``worked`` says that something was committed."""

    def __init__(
        self,
        settings: Settings,
        options: StageOptions,
        subscription: Subscription,
        producer: Any,
        metrics: DeviceMetrics,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._options, self._metrics = settings, options, metrics
        self._subscription, self._producer, self._now = subscription, producer, now
        self._keys = patient_keys()
        self._held: dict[int, _Held] = {}
        self._looked = now()
        self.worked = False

    @property
    def waiting(self) -> str:
        """Why nothing is told now."""
        return "" if self._held else "it has no partition"

    def turn(self) -> None:
        """One poll and all that follows from it.

        Raises:
            KafkaError, KafkaUnreachable: all that is in memory is void.
            StateLost, BadRow: rows are gone or spoilt.
        """
        polled = self._subscription.poll(POLL_MS)
        for _, number in polled.lost:
            self._let_go(number)
        by_partition: dict[int, list[Record]] = {}
        for record in polled.records:
            by_partition.setdefault(record.partition, []).append(record)
        for _, number in sorted(self._subscription.assigned()):
            if number not in self._held:
                held = self._held[number] = self._take_over(number)
                if self._subscription.committed(DEVICES, number) is None and held.partition.read:
                    # Kafka forgets the offsets of a group that rests for long; what was read is not read again.
                    self._subscription.read_from(DEVICES, number, held.partition.read)
                    by_partition.pop(number, None)
        for number, records in by_partition.items():
            self._handle(number, records)
        if self._now() - self._looked >= LOOK_SECONDS:
            self._look()

    def close(self) -> None:
        """Let go of all partitions."""
        for number in list(self._held):
            self._let_go(number)

    def _take_over(self, number: int) -> _Held:
        began = self._now()
        journal = Journal(self._settings, number)
        try:
            rows = journal.rows()
            if PARTITION not in rows:
                self._begin(journal, number)
            partition, again = self._restored(number, rows)
            self._send_events(again)
        except BaseException:
            journal.close()
            raise
        self._metrics.partitions.set(len(self._held) + 1)
        log.info("devices ready", partition=number, words=partition.kept, seconds=round(self._now() - began, 2))
        return _Held(journal, partition)

    def _restored(self, number: int, rows: dict[bytes, bytes]) -> tuple[DevicePartition, list[InputEvent]]:
        prefix = self._settings.topic_prefix
        partition = DevicePartition(number, self._settings.partitions, self._options.bounds, prefix)
        try:
            return partition, partition.restore(rows)
        except BadRow as error:
            raise BadRow(f"topic {prefix}{DEVICE_STATE}[{number}]: {error}") from None

    def _begin(self, journal: Journal, number: int) -> None:
        """Nothing is kept of the partition: right for one of which nothing was read."""
        if self._subscription.committed(DEVICES, number) is not None and not self._options.begin_anew:
            topic = self._settings.topic_prefix + DEVICE_STATE
            raise StateLost(
                f"topic {topic}[{number}] is empty, though devices were read: put it back from a copy, or go on with "
                "'--begin-anew': what was told stays, and devices are bound to nobody until they are bound again"
            )
        journal.write({PARTITION: partition_row(0, 0)})

    def _let_go(self, number: int) -> None:
        if (held := self._held.pop(number, None)) is not None:
            held.journal.close()
            self._metrics.partitions.set(len(self._held))

    def _handle(self, number: int, records: list[Record]) -> None:
        with self._metrics.batch.time():
            held = self._held[number]
            try:
                step = held.partition.take(records)
            except Exception as error:  # nothing that anybody may write to a topic ends the stage
                log.error("a batch cannot be worked out: one record after another", partition=number, exc_info=error)
                self._one_by_one(number, records)
            else:
                self._make_so(held, step)
            self._subscription.commit({(DEVICES, number): records[-1].offset + 1})
        self._metrics.records.inc(len(records))
        self.worked = True

    def _one_by_one(self, number: int, records: list[Record]) -> None:
        """Take records singly, each on what the rows hold; put aside those that cannot be taken."""
        held = self._held[number]
        held.partition, _ = self._restored(number, held.journal.rows())
        for record in records:
            try:
                step = held.partition.take([record])
            except Exception as error:
                detail = f"{type(error).__name__} where it was given to a patient; report it with these bytes"
                step = Step(letters=[dead_letter(record, "internal_error", detail, self._settings.topic_prefix)])
                held.partition, _ = self._restored(number, held.journal.rows())
            self._make_so(held, step)

    def _make_so(self, held: _Held, step: Step) -> None:
        self._send_letters(step.letters)
        if step.rows:
            held.journal.write(step.rows)
        self._send_events(step.events)

    def _send_letters(self, letters: Iterable[Rejected]) -> None:
        letters, topic = list(letters), self._settings.topic_prefix + REJECTED
        confirm(
            [
                self._producer.send(topic, key=_patient(one), value=encode(hidden_letter(one, self._keys)))
                for one in letters
            ]
        )
        for one in letters:
            log.warning("record put aside", reason=one.reason, topic=one.topic, partition=one.partition, at=one.offset)
            self._metrics.rejected.labels(one.reason).inc()

    def _send_events(self, events: Iterable[InputEvent]) -> None:
        events, prefix = list(events), self._settings.topic_prefix
        confirm(
            [
                self._producer.send(topic_of(event, prefix), key=event.patient_id.encode(), value=encode(event))
                for event in events
            ]
        )
        for event in events:
            self._metrics.told.labels(topic_of(event)).inc()

    def _look(self) -> None:
        """Tell how it stands; where nothing more is to be read, put aside what has waited too long."""
        self._looked = self._now()
        unread = self._subscription.unread()
        if unread is not None:
            self._metrics.lag.set(unread)
        if unread == 0:
            for held in self._held.values():
                self._make_so(held, held.partition.expire(round(time.time() * 1000)))
        self._metrics.kept.set(sum(held.partition.kept for held in self._held.values()))
        self._metrics.waiting.set(sum(held.partition.waiting for held in self._held.values()))


def _patient(letter: Rejected) -> bytes | None:
    return letter.patient_id.encode() if letter.patient_id is not None else None
