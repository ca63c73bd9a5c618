"""Publishing events on their topics, as fast as the broker takes them or at the pace of simulated time.

Records are keyed by patient under Kafka's own partitioner (murmur2) and acknowledged by all replicas. Only so many may
be on their way at once; whatever the broker does not confirm is counted and reported, so nothing is lost unnoticed. No
wait is without limit, and none outlasts a stop: a broker that went away and came back may leave records that nobody
ever confirms.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from connectors.kafka.clients import open_producer
from connectors.kafka.topics import INPUT_BYTES, topic_of
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
) -> Published:
    """Send every event to its topic and wait until the broker has confirmed the last one.

    Args:
        bootstrap: Kafka servers, ``host:port`` separated by commas.
        events: with the ms at which each arrives in simulated time, or ``None`` where that does not matter.
        prefix: of the topics.
        pace: when events are due; without it they go as fast as the broker takes them.
        stop: once set, no further event is sent; those on their way are still waited for.
        progress: called with the number of events sent so far.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
    """
    from kafka.errors import KafkaError

    halt = stop or threading.Event()
    in_flight = _InFlight()
    producer = _producer(bootstrap)
    try:
        for sent, (millis, event) in enumerate(events, start=1):
            if throttle is not None and millis is not None:
                throttle.wait(millis, halt)
            if halt.is_set():
                break
            if not in_flight.enter(halt):
                return _finished(producer, in_flight, halt, stopped=True)
            _send(producer, in_flight, topic_of(event, prefix), event, halt)
            if progress is not None:
                progress(sent)
        else:
            return _finished(producer, in_flight, halt, stopped=False)
        return _finished(producer, in_flight, halt, stopped=True)
    finally:
        with suppress(KafkaError):  # what was not flushed by now has been counted as failed
            producer.close(timeout=SLICE_SECONDS)


class _InFlight:
    """Counts what is on its way and what came of it; callbacks run in the producer's own thread."""

    def __init__(self) -> None:
        self._room = threading.BoundedSemaphore(MOST_IN_FLIGHT)
        self._lock = threading.Lock()
        self._heard = time.monotonic()
        self.sent = 0
        self.by_topic: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def enter(self, halt: threading.Event) -> bool:
        """Wait until there is room for one more; False at a stop, or when nothing was confirmed for too long."""
        while not self._room.acquire(timeout=SLICE_SECONDS):
            if halt.is_set():
                return False
            if time.monotonic() - self._heard > PATIENCE_SECONDS + 5:
                log.error("the broker confirms nothing any more: publishing ends", seconds=round(PATIENCE_SECONDS))
                return False
        self.sent += 1
        return True

    def confirmed(self, metadata: Any) -> None:
        with self._lock:
            self._heard = time.monotonic()
            self.by_topic[metadata.topic] += 1
        self._room.release()

    def refused(self, error: BaseException) -> None:
        with self._lock:
            self._heard = time.monotonic()
            self.failed[type(error).__name__] += 1
        self._room.release()

    def account(self, stopped: bool) -> Published:
        """What became of all that was sent, with what never came back as ``unconfirmed``."""
        with self._lock:
            confirmed, failed = sum(self.by_topic.values()), dict(self.failed)
            unconfirmed = self.sent - confirmed - sum(failed.values())
            if unconfirmed:
                failed["unconfirmed"] = unconfirmed
            return Published(confirmed, failed, dict(self.by_topic), stopped)


def _send(producer: Any, in_flight: _InFlight, topic: str, event: InputEvent, halt: threading.Event) -> None:
    from kafka.errors import KafkaError, KafkaTimeoutError

    value, key = encode(event), event.patient_id.encode()
    until = time.monotonic() + BLOCKED_MS / 1000
    while True:
        try:
            future = producer.send(topic, value=value, key=key)
        except KafkaTimeoutError as error:  # the topic's metadata or the buffer did not come in time
            if not halt.is_set() and time.monotonic() < until:
                continue
            in_flight.refused(error)
            return
        except KafkaError as error:
            in_flight.refused(error)
            return
        future.add_callback(in_flight.confirmed).add_errback(in_flight.refused)
        return


def _finished(producer: Any, in_flight: _InFlight, halt: threading.Event, stopped: bool) -> Published:
    from kafka.errors import KafkaError, KafkaTimeoutError

    until = time.monotonic() + PATIENCE_SECONDS + 5
    with suppress(KafkaError):  # what it leaves open is counted below
        while not halt.is_set() and time.monotonic() < until:
            with suppress(KafkaTimeoutError):
                producer.flush(timeout=SLICE_SECONDS)
                break
        else:
            producer.flush(timeout=STOPPED_SECONDS)
    return in_flight.account(stopped)


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
