"""Reads the twin's output topics into a `LiveBoard`, in a thread of its own.

The reader belongs to no consumer group and commits nothing: it reads every partition from the beginning, so a console
that starts late or starts again shows the same ward as one that never stopped, and any number of consoles may look on.
Of the topics that sources speak on it reads the end alone, and there only who was heard and when.
"""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import structlog

from connectors.console.alert_log import AlertLog
from connectors.console.board import Board, PatientFrame, WardFrame
from connectors.console.pulse import WELL, Pulse, Pulses
from connectors.console.views import MeasuredPoint
from connectors.console.ward.sources import SOURCES, TAIL, HeardFrame, Sources
from connectors.kafka.clients import KafkaUnreachable, broker_answers, no_answer, open_consumer
from connectors.kafka.records import Record, dead_letter, event_of
from connectors.kafka.topics import ALERTS, OUTPUTS, POSTERIORS, REJECTED, topic_ids
from twin.events import Advice, Alert, Event, Heartbeat, Rejected

FIRST_PAUSE = 0.5
"""Seconds before the first new attempt to reach Kafka; doubled each time."""

LONGEST_PAUSE = 15.0
"""Seconds between attempts at the most."""

SILENCE = 3.0
"""Seconds without a record after which it is asked whether the broker is still there."""

POLL_MILLIS = 200
"""How long one poll waits for records, which is also how soon a stop is noticed."""

State = Literal["starting", "unreachable", "waiting", "rebuilding", "live", "stopped"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReaderStatus:
    """How far the board can be trusted.

    ``state``: starting; unreachable (no broker answers); waiting (the topics do not exist yet); rebuilding (reading
    what was there before the console); live; stopped. ``behind`` counts records not read yet, ``undecodable`` those
    that were no output event.
    """

    state: State = "starting"
    detail: str = ""
    records: int = 0
    behind: int = 0
    undecodable: int = 0


@dataclass
class LiveBoard:
    """A board, the pulse of its twins, the log of their alerts and when sources spoke, shared between the reader's
    thread and the pages."""

    board: Board
    status: ReaderStatus = field(default_factory=ReaderStatus)
    pulses: Pulses = field(default_factory=Pulses)
    alerts: AlertLog = field(default_factory=AlertLog)
    sources: Sources = field(default_factory=Sources)
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: dict[object, Callable[[str], None]] = field(default_factory=dict)
    """Who waits for answers of twins: each is told, in the reader's thread, of which patient one came."""

    def fold(self, events: Iterable[Event]) -> None:
        """Take in events; the lock is given up between them so that pages are not kept waiting by a long batch."""
        for event in events:
            with self.lock:
                self.board.fold(event)
            if isinstance(event, Advice):
                for tell in list(self.waiting.values()):
                    tell(event.patient_id)

    def hear(self, beat: Heartbeat, at: float) -> None:
        """`Pulses.hear` under the lock."""
        with self.lock:
            self.pulses.hear(beat, at)

    def pulse(self, patient_id: str | None = None, named: Callable[[str], bool] = lambda _: True) -> Pulse:
        """The pulse of a patient's twin, or the worst of all, which names those who may be ``named``; none while the
        reader itself is not up to date."""
        if self.status.state != "live":
            return WELL
        with self.lock:
            now = time.monotonic()
            return self.pulses.worst(now, named) if patient_id is None else self.pulses.of(patient_id, now)

    def heard(self, turn: int = -1) -> HeardFrame:
        """`Sources.since` under the lock."""
        with self.lock:
            return self.sources.since(turn)

    def feed(self) -> Pulse:
        """`Sources.feed` under the lock; nothing is said of feeds while the reader itself is not up to date."""
        if self.status.state != "live":
            return WELL
        with self.lock:
            return self.sources.feed()

    def sealed(self) -> dict[str, str]:
        """`Pulses.sealed` under the lock."""
        with self.lock:
            return self.pulses.sealed()

    def measured(self, patient_id: str) -> tuple[MeasuredPoint, ...]:
        """`Board.measured` under the lock."""
        with self.lock:
            return self.board.measured(patient_id)

    def ward(self, since: int = 0) -> WardFrame:
        """`Board.ward` under the lock."""
        with self.lock:
            return self.board.ward(since)

    def clock(self, patient_id: str | None = None) -> int | None:
        """`Board.clock` under the lock."""
        with self.lock:
            return self.board.clock(patient_id)

    def near(self, patient_id: str, named: Callable[[str], bool] = lambda _: True) -> str | None:
        """The patient of the ward who may be ``named`` and whose id is most like this one, if any is."""
        return next(iter(difflib.get_close_matches(patient_id, self.known(named), n=1)), None)

    def known(self, named: Callable[[str], bool] = lambda _: True) -> list[str]:
        """The patients of the ward who may be ``named``."""
        with self.lock:
            return list(filter(named, self.board.patient_ids()))

    def patient(self, patient_id: str, since: int = 0) -> PatientFrame:
        """`Board.patient` under the lock."""
        with self.lock:
            return self.board.patient(patient_id, since)


def read(record: Record, prefix: str = "") -> Event:
    """What a record of an output topic says; the dead letter that a sink makes of it where it says nothing."""
    try:
        event = event_of(record)
        if event is None:
            raise ValueError("field 'event': an input among outputs")
        return event
    except ValueError as error:
        return dead_letter(record, "bad_output", str(error), prefix)


class TopicReader:
    """The reading thread: ``start()``, and ``stop()`` when done.

    Args:
        live: the board to fill and to report `ReaderStatus` on.
        bootstrap: ``host:port[,host:port]`` of Kafka.
        prefix: topic prefix.
        pause: waits that many seconds or until the stop (injected so that tests do not wait).
    """

    def __init__(
        self, live: LiveBoard, bootstrap: str, prefix: str = "", pause: Callable[[float], object] | None = None
    ) -> None:
        self._live = live
        self._bootstrap = bootstrap
        self._outputs = tuple(prefix + topic for topic in OUTPUTS if topic != POSTERIORS)
        self._sources = tuple(prefix + topic for topic in SOURCES)
        self._prefix = prefix
        self._wait = FIRST_PAUSE
        self._next: dict[Any, int] = {}
        self._answered = False
        self._answered_at = float("-inf")
        self._stopping = threading.Event()
        self._pause = pause or self._stopping.wait
        self._thread = threading.Thread(target=self._run, name="console-reader", daemon=True)

    def start(self) -> None:
        """Begin reading."""
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Stop reading and wait for the thread to end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        from kafka.errors import KafkaError

        while not self._stopping.is_set():
            try:
                self._read()
            except (KafkaUnreachable, KafkaError, OSError) as error:
                self._report(state="unreachable", detail=no_answer(self._bootstrap))
                log.warning("console_kafka_unreachable", error=type(error).__name__, retry_in_seconds=self._wait)
                self._pause(self._wait)
                self._wait = min(2 * self._wait, LONGEST_PAUSE)
            except Exception:
                self._report(state="stopped", detail="the reader failed; see the console's log")
                log.exception("console_reader_failed")
                return
        self._report(state="stopped", detail="")

    def _read(self) -> None:
        """One connection's life: find the partitions, read what is there, follow until told to stop.

        After a lost connection it goes on where that one ended, unless the broker now holds less than that.
        """
        consumer = self._consumer()
        self._answered, self._answered_at = True, time.monotonic()
        try:
            partitions, tails = self._partitions(consumer)
            if not partitions:
                return
            consumer.assign([*partitions, *tails])
            self._seek_tails(consumer, tails)
            ends = consumer.end_offsets(partitions)
            for partition in partitions:
                if self._next.get(partition, ends[partition] + 1) <= ends[partition]:
                    consumer.seek(partition, self._next[partition])
                else:
                    consumer.seek_to_beginning(partition)
            self._open_log(consumer, partitions)
            self._wait = FIRST_PAUSE
            self._report(state="rebuilding", detail="")
            while not self._stopping.is_set():
                self._take_all(consumer.poll(timeout_ms=POLL_MILLIS))
                self._locate(consumer, partitions, ends)
        finally:
            consumer.close(autocommit=False)

    def _seek_tails(self, consumer: Any, tails: list[Any]) -> None:
        """Go to the newest words of each source; after a lost connection to those since then."""
        begins, ends = consumer.beginning_offsets(tails), consumer.end_offsets(tails)
        for place in tails:
            first = max(begins[place], ends[place] - TAIL)
            consumer.seek(place, min(max(first, self._next.get(place, 0)), ends[place]))

    def _open_log(self, consumer: Any, partitions: list[Any]) -> None:
        """Tell the log of alerts which topic is read, and from where on."""
        topic = self._prefix + ALERTS
        begins = consumer.beginning_offsets([one for one in partitions if one.topic == topic])
        ids = topic_ids(self._bootstrap, [topic])
        self._live.alerts.open(ids[topic], {one.partition: offset for one, offset in begins.items()})

    def _consumer(self) -> Any:
        return open_consumer(
            self._bootstrap,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=5_000,
            metadata_max_age_ms=10_000,
            reconnect_backoff_max_ms=3_000,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            metrics_enabled=False,
        )

    def _partitions(self, consumer: Any) -> tuple[list[Any], list[Any]]:
        """Partitions of all output topics and of those of sources, once all exist; none when stopped before."""
        from kafka import TopicPartition

        while not self._stopping.is_set():
            existing = consumer.topics()
            missing = [topic for topic in (*self._outputs, *self._sources) if topic not in existing]
            if not missing:
                outputs, sources = (
                    [
                        TopicPartition(topic, number)
                        for topic in topics
                        for number in consumer.partitions_for_topic(topic)
                    ]
                    for topics in (self._outputs, self._sources)
                )
                return sorted(outputs), sorted(sources)
            self._report(state="waiting", detail=f"topic {missing[0]} does not exist yet")
            self._pause(1.0)
        return [], []

    def _take_all(self, batches: dict[Any, list[Any]]) -> None:
        if batches:
            self._answered, self._answered_at = True, time.monotonic()
        live, records = self._live.status.state == "live", []
        for place, batch in batches.items():
            if place.topic in self._sources:
                self._next[place] = batch[-1].offset + 1
                self._hear(place.topic.removeprefix(self._prefix), batch, live=live)
            else:
                records += batch
        bad = sum(not self.take(Record.of(record, self._prefix)) for record in records)
        if records:
            status = self._live.status
            self._report(records=status.records + len(records), undecodable=status.undecodable + bad)
            if bad and not status.undecodable:
                log.warning("console_undecodable_records", shown="under refused")

    def _hear(self, topic: str, batch: list[Any], *, live: bool) -> None:
        """Note of whom a source spoke, and when the broker took it; what it said is for the twins."""
        with self._live.lock:
            for record in batch:
                if record.key:
                    self._live.sources.hear(topic, record.key.decode(errors="replace"), record.timestamp, live=live)

    def take(self, record: Record) -> bool:
        """Take in a record; one that cannot be shown becomes a line among what was refused, and False."""
        event = read(record, self._prefix)
        if record.topic == ALERTS:
            self._live.alerts.take(record, event if isinstance(event, Alert) else None)
        good = record.topic == REJECTED or not isinstance(event, Rejected)
        try:
            if isinstance(event, Heartbeat):
                self._live.hear(event, time.monotonic() - self._age(record))
            else:
                self._live.fold([event])
        except Exception as error:  # nothing that anybody may write to a topic ends the reader
            self._live.fold([dead_letter(record, "bad_output", f"{type(error).__name__}: {error}", self._prefix)])
            return False
        return good

    def _age(self, record: Record) -> float:
        """Seconds since a record was sent: one that was there before this console is as old as the broker says, any
        other was sent just now."""
        rebuilding = self._live.status.state == "rebuilding"
        return max(time.time() - record.arrived_ms / 1000, 0.0) if rebuilding else 0.0

    def _locate(self, consumer: Any, partitions: list[Any], ends: dict[Any, int]) -> None:
        """Report whether the past is read, and how much is waiting, from what the last poll brought along."""
        if not self._broker_answers():
            raise ConnectionResetError("the broker is gone")
        # Without a limit of its own a position waits half a minute for a leader that has gone.
        told = {partition: consumer.position(partition, timeout_ms=0) for partition in partitions}
        self._next.update({partition: offset for partition, offset in told.items() if offset is not None})
        at = {partition: self._next.get(partition, 0) for partition in partitions}
        behind = sum(max(0, (consumer.highwater(p) or ends[p]) - at[p]) for p in partitions)
        past_read = all(at[p] >= ends[p] for p in partitions)
        self._report(state="live" if past_read else "rebuilding", detail="", behind=behind)

    def _broker_answers(self) -> bool:
        """Whether a broker is there: a record said so less than `SILENCE` seconds ago, or one takes a connection.

        The client itself does not tell: a lost broker and a quiet one look alike to its ``poll``.
        """
        now = time.monotonic()
        if now - self._answered_at >= SILENCE:
            self._answered = broker_answers(self._bootstrap)
            self._answered_at = now
        return self._answered

    def _report(self, **changes: Any) -> None:
        self._live.status = replace(self._live.status, **changes)
