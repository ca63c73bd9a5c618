"""The one loop under every sink: records from Kafka become items of an outside system, and none is lost.

Records are read in batches, written synchronously, and only then are their offsets committed: what is committed is in
the outside system, and what a crash left in between is written again. While the system does not answer, the partitions
are paused and Kafka keeps the stream; polling goes on, so the place in the group is kept. An item that the system will
never accept is found by ever smaller calls (`connectors.sinks.portions`): the others are written, and the record it
came from goes to the dead-letter topic. Between two calls the loop polls, commits what is done and looks for a stop, so
however many calls a batch takes, and however slow each is, the work goes forward.

A writer may say that some items are for later (`connectors.sinks.writer.Pacing`). They wait beside what is written, and
commits go on: each names the records that it leaves undone, and after a crash Kafka gives just those again.

A sink brings a `connectors.sinks.writer.Writer`.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Generic

import structlog
from kafka.errors import KafkaError

from connectors.kafka.clients import open_consumer, open_producer
from connectors.kafka.records import REFUSED, Record, dead_letter
from connectors.kafka.subscription import CALL_TIMEOUT_MS, Subscription
from connectors.kafka.topics import MIB, REJECTED, REJECTED_BYTES
from connectors.privacy.letters import hidden_letter
from connectors.privacy.patient_keys import patient_keys
from connectors.settings import Settings
from connectors.sinks.metrics import SinkMetrics
from connectors.sinks.portions import Pending, Portions
from connectors.sinks.writer import BadItem, Item, Pacing, Standing, TooSlow, Unavailable, Writer
from twin.events import encode

POLL_MS = 200
"""How long one poll may block, and so how long a stop can go unnoticed."""

FIRST_DELAY, LONGEST_DELAY = 0.25, 15.0
"""Seconds before the first and the later attempts while the outside system is down."""

LONGEST_ASKED = 60.0
"""Seconds that the outside system may ask for before the next attempt; for more it waits no longer."""

COMMIT_SECONDS = 1.0
"""Seconds between two commits while one batch takes many calls."""

STOP_SECONDS = 2.0
"""How long what was read may still be written after a stop."""

LONGEST_POLL = 120.0
"""Seconds between two polls after which a sink counts as hung: above what one call may take."""

LAG_SECONDS = 5.0
"""Seconds between two looks at how much is still to be read."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends the collecting of a batch, whichever comes first; a call carries up to about twice as much.

    ``items`` and ``bytes`` (of the records they come from) bound the batch, ``seconds`` is how long its first record
    waits for company.
    """

    items: int = 1000
    bytes: int = 8 * MIB
    seconds: float = 0.5

    def __post_init__(self) -> None:
        for name in ("items", "bytes", "seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} {getattr(self, name)}: a batch must have room, so it must be above 0")


def delays(chance: Callable[[], float]) -> Iterator[float]:
    """Seconds to wait before each further attempt: doubling up to a cap, each shortened by up to a half at random."""
    delay = FIRST_DELAY
    while True:
        yield delay * (0.5 + 0.5 * chance())
        delay = min(2 * delay, LONGEST_DELAY)


class Delivery(Generic[Item]):
    """Moves records from ``subscription`` through ``writer`` and commits them; one thread calls `run`.

    ``put_aside(record, reason, detail)`` returns when the dead letter is durable and raises `KafkaError` otherwise.
    ``now`` is a monotonic clock in seconds and ``chance`` gives uniform numbers in [0, 1) for the jitter.
    """

    def __init__(
        self,
        name: str,
        subscription: Subscription,
        writer: Writer[Item],
        put_aside: Callable[[Record, str, str], None],
        *,
        limits: Limits | None = None,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.metrics = SinkMetrics(now)
        self._name = name
        self._subscription, self._writer, self._put_aside = subscription, writer, put_aside
        self._limits, self._now, self._chance = limits or Limits(), now, chance
        self._kind = writer.kind
        self._portions: Portions[Item] = Portions(2 * self._limits.items)
        self._pacing: Pacing[Item] | None = writer if isinstance(writer, Pacing) else None
        self._standing: Standing | None = writer if isinstance(writer, Standing) else None
        self._pending: deque[Pending[Item]] = deque()
        self._later: list[Pending[Item]] = []
        self._reached: dict[tuple[str, int], int] = {}
        self._uncommitted: set[tuple[str, int]] = set()
        self._since = self._looked = self._polled = self._committed = now()
        self._said = ""

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop``; what is unwritten then stays in Kafka for the next run."""
        while not stop.is_set():
            self._collect(stop)
            self._deliver(stop)

    def summary(self) -> dict[str, int]:
        """What was done, by name: events, the items they became, events put aside, times that writing had to wait."""
        names = {"events": "events", "items": "items", "refused": "dead_letters", "outages": "outages"}
        return {said: self.metrics.total(name) for said, name in names.items()}

    def dead(self) -> str:
        """Why the sink must be started again; empty while it comes back to its polls."""
        silent = self._now() - self._polled
        return f"no poll for {silent:.0f} s" if silent > LONGEST_POLL else ""

    def waiting(self) -> str:
        """Why nothing is written now; empty where that is not so."""
        return self._said and f"writing waits: {self._said}"

    def _collect(self, stop: threading.Event) -> None:
        """Read until a batch is full or old enough."""
        while not stop.is_set() and not self._full():
            self._set_aside()
            self._refresh(stop)
            waiting = bool(self._pending or self._uncommitted)
            if not waiting:
                self.metrics.all_durable()
            elif self._now() - self._since >= self._limits.seconds:
                return
            self._poll(POLL_MS)

    def _full(self) -> bool:
        items = sum(len(pending.items) for pending in self._pending)
        return items >= self._limits.items or self._bytes() >= self._limits.bytes

    def _bytes(self) -> int:
        return sum(len(pending.record.value) for pending in self._pending)

    def _deliver(self, stop: threading.Event) -> None:
        """Write and commit what is pending, however long the outside system is away and however many calls it takes."""
        waits, self._said = delays(self._chance), ""
        latest = float("inf")
        while self._pending and self._now() < latest:
            began = self._now()
            self._set_aside()
            try:
                self._write_some()
                waits = delays(self._chance)
            except (Unavailable, KafkaError) as error:
                self._said = self._tell(error, self._said)
                asked = error.retry_after if isinstance(error, Unavailable) else 0.0
                if not self._wait(max(next(waits), min(asked, LONGEST_ASKED)), stop):
                    break
            self._between_calls()
            if stop.is_set():  # another call is begun only where it will likely end in time
                latest = min(latest, began + STOP_SECONDS)
        if self._said and not self._pending:
            self._goes_on()
        self._subscription.resume()
        self._commit()

    def _tell(self, error: Exception, before: str) -> str:
        """Count and say that writing waits, once for each cause in a row; returns what was said."""
        if not before:
            self.metrics.outages.inc()
        self.metrics.retries.labels(error.cause if isinstance(error, Unavailable) else "kafka").inc()
        cause = str(error) or type(error).__name__
        if cause != before:
            log.warning("writing waits, Kafka keeps the stream", sink=self._name, cause=cause)
        return cause

    def _poll(self, timeout_ms: int) -> None:
        self._polled = self._now()
        polled = self._subscription.poll(timeout_ms)
        if polled.lost:
            self._uncommitted -= polled.lost
            self._reached = {place: offset for place, offset in self._reached.items() if place not in polled.lost}
            self._pending = deque(one for one in self._pending if _place(one.record) not in polled.lost)
            self._later = [one for one in self._later if _place(one.record) not in polled.lost]
            self.metrics.later.set(len(self._later))
        if polled.records and not self._pending:
            self._since = self._now()
        self._pending.extend(map(self._read, polled.records))
        self._look()

    def _read(self, record: Record) -> Pending[Item]:
        if record.only_for not in ("", self._name):
            return Pending(record)
        try:
            items = self._writer.items(record)
            return Pending(record, items, [self._kind(item) for item in items])
        except ValueError as error:
            return Pending(record, fault=str(error))
        except Exception as error:  # nothing that anybody may write to a topic ends the sink
            return Pending(record, fault=f"{type(error).__name__}: {error}")

    def _set_aside(self) -> None:
        """What the writer wants to have later waits beside; what has waited long enough comes back, before newer."""
        if self._pacing is None:
            return
        all_of_them = [*self._later, *self._pending]
        places = [place for one in all_of_them for place in one.left()]
        later = {id(places[number].pending) for number in self._pacing.later([place.item for place in places])}
        waited = {id(one) for one in self._later}
        if not self._pending and later != waited:
            self._since = self._now()
        self._later = [one for one in all_of_them if id(one) in later]
        self._pending = deque(one for one in all_of_them if id(one) not in later)
        for one in self._later:
            if id(one) not in waited:
                self._reach(one.record)
        self.metrics.later.set(len(self._later))

    def _refresh(self, stop: threading.Event) -> None:
        """Let the writer say once more what stands, however long the outside system is away."""
        if self._standing is None:
            return
        waits = delays(self._chance)
        while not stop.is_set():
            try:
                self._standing.refresh()
            except Unavailable as error:
                self._said = self._tell(error, self._said)
                self._wait(max(next(waits), min(error.retry_after, LONGEST_ASKED)), stop)
                self._set_aside()
                continue
            if self._said:
                self._goes_on()
                self._subscription.resume()
            return

    def _goes_on(self) -> None:
        self._said = ""
        log.info("writing goes on", sink=self._name)

    def _write_some(self) -> None:
        """One call with what is oldest; then records that nothing is left of are done."""
        if portion := self._portions.next(self._batch()):
            try:
                self._writer.write([place.item for place in portion])
            except BadItem as refusal:
                self._portions.refused(portion, refusal)
            except TooSlow:
                self._portions.too_slow(portion)
                raise
            else:
                self._portions.written(portion)
                self.metrics.batches.inc()
        while self._pending and self._pending[0].is_settled:
            self._finish(self._pending[0])
            self._pending.popleft()  # only now: a dead letter that is not durable is no end

    def _finish(self, one: Pending[Item]) -> None:
        """Put a record aside if it must be, and count it as done."""
        if one.fault is not None:
            self._reject(one.record, "bad_output", one.fault)
        elif one.refused:
            self._reject(one.record, f"{self._name}{REFUSED}", one.refused[min(one.refused)])
        self._reach(one.record)
        self.metrics.events.inc()
        self.metrics.items.inc(len(one.items) - len(one.refused))

    def _reach(self, record: Record) -> None:
        """All before it and the record itself is done, or known to be left."""
        place = _place(record)
        self._reached[place] = max(self._reached.get(place, 0), record.offset + 1)
        self._uncommitted.add(place)

    def _between_calls(self) -> None:
        """Now and then: keep the place in the group, and commit what is done."""
        if self._now() - self._polled >= POLL_MS / 1000:
            self._subscription.hold()
            self._poll(1)
        if self._now() - self._committed >= COMMIT_SECONDS:
            self._commit()

    def _batch(self) -> list[Pending[Item]]:
        batch: list[Pending[Item]] = []
        items = size = 0
        for one in self._pending:
            items, size = items + len(one.items) - len(one.settled), size + len(one.record.value)
            if batch and (items > 2 * self._limits.items or size > 2 * self._limits.bytes):
                break
            batch.append(one)
        return batch

    def _reject(self, record: Record, reason: str, detail: str) -> None:
        where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        log.warning("record put aside", sink=self._name, reason=reason, **where)
        if record.topic != REJECTED:  # a dead letter about a dead letter would never end
            self._put_aside(record, reason, detail)
        self.metrics.dead_letters.labels(reason).inc()

    def _wait(self, seconds: float, stop: threading.Event) -> bool:
        """Stay in the group with all partitions paused for ``seconds``; False when asked to stop."""
        until = self._now() + seconds
        while not stop.is_set() and (left := until - self._now()) > 0:
            self._subscription.hold()
            self._poll(min(POLL_MS, int(1000 * left) + 1))
        return not stop.is_set()

    def _commit(self) -> None:
        if not self._uncommitted:
            return
        self._committed = self._now()
        left: dict[tuple[str, int], list[int]] = {}
        for one in (*self._later, *self._pending):
            left.setdefault(_place(one.record), []).append(one.record.offset)
        try:
            self._subscription.commit({place: self._reached[place] for place in self._uncommitted}, left)
        except KafkaError as error:  # what is written stands: committed with the next batch, or written again unchanged
            log.warning("offsets not committed yet", sink=self._name, cause=type(error).__name__)
            self._since = self._now()
            return
        self._uncommitted.clear()
        if not self._pending:
            self.metrics.all_durable()

    def _look(self) -> None:
        """Now and then, tell how much is still to be written."""
        if self._now() - self._looked < LAG_SECONDS:
            return
        self._looked = self._now()
        if (unread := self._subscription.unread()) is not None:
            self.metrics.lag.set(unread + len(self._pending))


def _place(record: Record) -> tuple[str, int]:
    return record.topic, record.partition


def consumer_group(name: str, prefix: str = "") -> str:
    """The consumer group of the sink ``name``."""
    return f"{prefix}sink-{name}"


@contextmanager
def open_delivery(
    name: str, topics: Sequence[str], writer: Writer[Item], settings: Settings, limits: Limits | None = None
) -> Iterator[Delivery[Item]]:
    """The delivery of ``topics`` (named without prefix) to ``writer`` by the sink ``name``; Kafka is left at the end.

    Raises:
        KafkaUnreachable: no broker answers.
        KeysUnusable: the store of keys that the environment names cannot be used.
    """
    prefix, keys = settings.topic_prefix, patient_keys()
    with ExitStack() as opened:
        consumer = open_consumer(
            settings.kafka,
            group_id=consumer_group(name, prefix),
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
        )
        opened.callback(consumer.close)
        producer = open_producer(settings.kafka, acks="all", max_request_size=REJECTED_BYTES)
        opened.callback(producer.close)

        def put_aside(record: Record, reason: str, detail: str) -> None:
            letter = encode(hidden_letter(dead_letter(record, reason, detail, prefix), keys))
            producer.send(prefix + REJECTED, key=record.key, value=letter).get(timeout=CALL_TIMEOUT_MS / 1000)

        subscription = Subscription(consumer, topics, prefix, leaves=isinstance(writer, Pacing))
        yield Delivery(name, subscription, writer, put_aside, limits=limits)
