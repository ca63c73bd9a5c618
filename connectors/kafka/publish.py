"""Publishing events on their topics, as fast as the broker takes them or at the pace of simulated time.

Records are keyed by patient under Kafka's own partitioner (murmur2) and acknowledged by all replicas. Only so many may
be on their way at once; whatever the broker does not confirm is counted and reported, so nothing is lost unnoticed. No
wait is without limit, and none outlasts a stop.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from connectors.kafka.clients import KafkaUnreachable, NotConfirmed, abandon, broker_answers, open_producer
from connectors.kafka.feed_metrics import FeedMetrics
from connectors.kafka.topics import INPUT_BYTES, topic_of
from connectors.settings import Settings
from twin.events import InputEvent, encode

log = structlog.get_logger("dosetwin.publish")

MOST_IN_FLIGHT = 10_000
"""Records that may wait for their acknowledgement; a record is some 300 bytes."""

LINGER_MS = 5
"""How long the producer gathers a batch: far below what anybody notices."""

BLOCKED_MS = 30_000
"""How long a record may wait for its topic to be found or for room among the unsent ones."""

PATIENCE_SECONDS = 120.0
"""How long the broker may take to confirm a record before it counts as failed."""

SLICE_SECONDS = 1.0
"""No wait is longer before a stop is looked at."""

STUCK_SECONDS = 15.0
"""Without a confirmation for so long a producer is given up where a broker answers."""

CONFIRM_SECONDS = 10.0
"""How long the broker may take to confirm a single word: somebody waits for it."""

STOPPED_SECONDS = 4.0
"""How long records that are on their way are waited for once a stop was asked for."""


@dataclass(frozen=True)
class Published:
    """What became of the events.

    Attributes:
        confirmed: records the broker has acknowledged.
        failed: records it has not, by the name of the error.
        by_topic: confirmed records by topic.
        stopped: whether publishing was asked to stop before the last event.
    """

    confirmed: int
    failed: dict[str, int]
    by_topic: dict[str, int]
    stopped: bool

    @property
    def complete(self) -> bool:
        """Every event that was sent has been acknowledged."""
        return not self.failed


class Throttle:
    """Holds events back until simulated time has come to them: ``speed`` simulated seconds pass in one real second.

    The first event starts the clock. ``clock`` and ``sleep`` are given so that a test needs no time.
    """

    def __init__(
        self, speed: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        if not 0 < speed < float("inf"):
            raise ValueError(f"speed {speed}: must be above 0 simulated seconds per second")
        self._speed = speed
        self._clock = clock
        self._sleep = sleep
        self._origin: tuple[int, float] | None = None

    def due_in(self, millis: int) -> float:
        """Real seconds until the event that arrives at ``millis`` is due; negative where it is late."""
        now = self._clock()
        if self._origin is None:
            self._origin = (millis, now)
        first, began = self._origin
        return began + (millis - first) / 1000 / self._speed - now

    def wait(self, millis: int, stop: threading.Event) -> None:
        """Sleep until the event is due, in short naps that look at ``stop``."""
        while (left := self.due_in(millis)) > 0 and not stop.is_set():
            self._sleep(min(left, 0.2))


def publish(
    bootstrap: str,
    events: Iterable[tuple[int | None, InputEvent]],
    prefix: str = "",
    throttle: Throttle | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[int], object] | None = None,
    metrics: FeedMetrics | None = None,
) -> Published:
    """Send every event to its topic and wait until the broker has confirmed the last one.

    Args:
        bootstrap: Kafka servers, ``host:port`` separated by commas.
        events: with the ms at which each arrives in simulated time, or ``None`` where that does not matter.
        prefix: of the topics.
        pace: when events are due; without it they go as fast as the broker takes them.
        stop: once set, no further event is sent; those on their way are still waited for.
        progress: called with the number of events sent so far.
        metrics: where what becomes of them is counted.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
    """
    halt = stop or threading.Event()
    sending = Sending(bootstrap, halt, metrics or FeedMetrics())
    stopped = True
    try:
        for sent, (millis, event) in enumerate(events, start=1):
            if throttle is not None and millis is not None:
                throttle.wait(millis, halt)
            if halt.is_set() or not sending.send(topic_of(event, prefix), event):
                break
            if progress is not None:
                progress(sent)
        else:
            stopped = False
    finally:
        sending.finish()
        published = sending.account(stopped)
        sending.close()
    return published


@dataclass(frozen=True, slots=True)
class _Unconfirmed:
    topic: str
    value: bytes
    key: bytes


class Sending:
    """Sends records and keeps each until it is confirmed; callbacks run in the producer's own thread.

    One thread sends at a time.

    kafka-python may not find back to a broker that was away. Where nothing is confirmed for `STUCK_SECONDS` although a
    broker answers, another producer takes over and sends again what is open: the same events, which count once.
    """

    def __init__(self, bootstrap: str, halt: threading.Event, metrics: FeedMetrics) -> None:
        self._bootstrap, self._halt, self._metrics = bootstrap, halt, metrics
        self._changed = threading.Condition()
        self._open: dict[int, _Unconfirmed] = {}
        self._number = self._generation = 0
        self._heard = time.monotonic()
        self._renewed = float("-inf")
        self._confirmed: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._producer = _producer(bootstrap)

    def send(self, topic: str, event: InputEvent) -> bool:
        """Send an event when there is room; False at a stop, or when the broker has not confirmed anything for long."""
        record = _Unconfirmed(topic, encode(event), event.patient_id.encode())
        if not self._wait(lambda: len(self._open) < MOST_IN_FLIGHT):
            return False
        with self._changed:
            if not self._open:
                self._heard = time.monotonic()
            self._number += 1
            number, self._open[self._number] = self._number, record
            self._metrics.sent()
        self._pass_on(number, record, BLOCKED_MS / 1000)
        return True

    def finish(self) -> None:
        """Wait for what is open, at a stop only for a while."""
        self._wait(lambda: not self._open)
        with self._changed:
            if self._halt.is_set():
                self._changed.wait_for(lambda: not self._open, STOPPED_SECONDS)

    def account(self, stopped: bool) -> Published:
        """What became of all that was sent, with what never came back as ``unconfirmed``."""
        with self._changed:
            failed = dict(self._failed)
            if self._open:
                failed["unconfirmed"] = len(self._open)
            return Published(sum(self._confirmed.values()), failed, dict(self._confirmed), stopped)

    def close(self) -> None:
        """Let go of the producer, whatever it has not sent."""
        abandon(self._producer)

    def _wait(self, true: Callable[[], bool]) -> bool:
        """Until something is true; False at a stop, or when nothing was confirmed within `PATIENCE_SECONDS`."""
        while True:
            with self._changed:
                if self._changed.wait_for(true, SLICE_SECONDS):
                    return True
                silent = time.monotonic() - self._heard
            if self._halt.is_set():
                return False
            if silent > PATIENCE_SECONDS:
                log.error("the broker confirms nothing any more: publishing ends", seconds=round(silent))
                return False
            self._renew_if_stuck(silent)

    def _renew_if_stuck(self, silent: float) -> None:
        """Let another producer send what is open, where this one is stuck."""
        now = time.monotonic()
        if silent < STUCK_SECONDS or now - self._renewed < STUCK_SECONDS or not broker_answers(self._bootstrap):
            return
        self._renewed = now
        with self._changed:
            self._generation += 1
            again = dict(self._open)
        log.warning("nothing is confirmed although the broker answers: sending again", records=len(again))
        abandon(self._producer)
        try:
            self._producer = _producer(self._bootstrap)
        except KafkaUnreachable:
            return
        for number, record in again.items():
            self._pass_on(number, record, SLICE_SECONDS)

    def _pass_on(self, number: int, record: _Unconfirmed, patience: float) -> None:
        """Hand a record to the producer, which may have no room, or not know its topic, for a while."""
        from kafka.errors import KafkaError, KafkaTimeoutError

        until, generation = time.monotonic() + patience, self._generation
        while True:
            try:
                future = self._producer.send(record.topic, value=record.value, key=record.key)
            except KafkaTimeoutError as error:
                if time.monotonic() < until and not self._halt.is_set():
                    self._renew_if_stuck(time.monotonic() - self._heard)
                    if generation != self._generation:
                        return  # it was among what was sent again
                    continue
                self._refuse(number, generation, error)
            except KafkaError as error:
                self._refuse(number, generation, error)
            else:
                future.add_callback(lambda metadata: self._confirm(number, metadata.topic))
                future.add_errback(lambda error: self._refuse(number, generation, error))
            return

    def _confirm(self, number: int, topic: str) -> None:
        with self._changed:
            self._heard = time.monotonic()
            if self._open.pop(number, None) is not None:
                self._confirmed[topic] += 1
                self._metrics.confirmed(topic)
            self._changed.notify_all()

    def _refuse(self, number: int, generation: int, error: BaseException) -> None:
        """Count a record that failed, unless its producer was given up: then another sends it."""
        with self._changed:
            if generation == self._generation and self._open.pop(number, None) is not None:
                self._failed[type(error).__name__] += 1
                self._metrics.refused(type(error).__name__)
                self._changed.notify_all()


def _producer(bootstrap: str) -> Any:
    return open_producer(
        bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=LINGER_MS,
        max_block_ms=round(SLICE_SECONDS * 1000),
        delivery_timeout_ms=round(PATIENCE_SECONDS * 1000),
        request_timeout_ms=30_000,
        max_request_size=INPUT_BYTES,
    )


class Sender:
    """Gives what people do and ask to Kafka, one word after another; whoever calls it waits until the broker has it.

    The producer is opened before the first word or by it, and kept. After a failure another takes its place, for
    kafka-python may not find back to a broker that was away. A word that is sent twice has one id and counts once.
    """

    def __init__(self, settings: Settings) -> None:
        self._bootstrap, self._prefix = settings.kafka, settings.topic_prefix
        self._turn = threading.Lock()
        self._producer: Any = None

    def open(self, topic: str) -> None:
        """Be ready for words of a topic (named without prefix), so that the first need not wait for connections; no
        matter where no broker answers now."""
        from kafka.errors import KafkaError

        with self._turn, contextlib.suppress(KafkaUnreachable, KafkaError):
            if self._producer is None:
                self._producer = _prompt_producer(self._bootstrap)
            self._producer.partitions_for(self._prefix + topic)

    def send(self, word: InputEvent) -> None:
        """Done when the broker has it on all its replicas.

        Raises:
            KafkaUnreachable: no broker answers.
            NotConfirmed: it does not confirm in `CONFIRM_SECONDS`.
        """
        self.put(topic_of(word), word.patient_id.encode(), [encode(word)])

    def put(self, topic: str, key: bytes, values: Sequence[bytes]) -> None:
        """The same with records of one key, in their order; the topic is named without prefix."""
        from kafka.errors import KafkaError

        with self._turn:
            if self._producer is None:
                self._producer = _prompt_producer(self._bootstrap)
            try:
                sent = [self._producer.send(self._prefix + topic, value=value, key=key) for value in values]
                for each in sent:
                    each.get(CONFIRM_SECONDS)
            except KafkaError as error:
                self._let_go()
                raise NotConfirmed(
                    f"the broker did not confirm it ({type(error).__name__}); send it again once Kafka is well"
                ) from None

    def close(self) -> None:
        """Let go of the producer; a later word opens another."""
        with self._turn:
            self._let_go()

    def _let_go(self) -> None:
        if self._producer is not None:
            abandon(self._producer)
            self._producer = None


def _prompt_producer(bootstrap: str) -> Any:
    millis = round(CONFIRM_SECONDS * 1000)
    return open_producer(
        bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_block_ms=millis,
        request_timeout_ms=millis // 2,
        delivery_timeout_ms=millis,
    )
