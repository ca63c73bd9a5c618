"""What a feed counts on its way onto the topics, for Prometheus. No patient, event or device is ever in a label."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypedDict

from prometheus_client import CollectorRegistry, Counter, Gauge

QUIET_SECONDS = 10.0
"""Without a confirmation for so long, where some are awaited, a feed does not do its work."""

HUNG_SECONDS = 300.0
"""Above what publishing waits for a broker before it ends by itself: a feed still there must be started again."""


class _Named(TypedDict):
    namespace: str
    subsystem: str
    registry: CollectorRegistry


class FeedMetrics:
    """The meters of one feed, in a registry of their own; ``now`` is a monotonic clock in seconds. Any thread calls."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._lock = now, threading.Lock()
        self._awaited, self._heard = 0, now()
        self.registry = CollectorRegistry()
        named = _Named(namespace="dosetwin", subsystem="feed", registry=self.registry)
        self._events = Counter("events", "Events that the broker confirmed, or that a file has", ["topic"], **named)
        self._failed = Counter("failed", "Events that the broker did not confirm", ["error"], **named)
        self.bad_lines = Counter("bad_lines", "Lines that could not be used", **named)
        Gauge("in_flight_records", "Events that await confirmation", **named).set_function(lambda: self._awaited)
        silence = Gauge("unconfirmed_age_seconds", "Since the last confirmation, where some are awaited", **named)
        silence.set_function(self.silent)

    def sent(self) -> None:
        """An event is on its way."""
        with self._lock:
            self._heard = self._heard if self._awaited else self._now()
            self._awaited += 1

    def confirmed(self, topic: str) -> None:
        """An event that was on its way arrived."""
        self._over()
        self._events.labels(topic).inc()

    def refused(self, error: str) -> None:
        """An event that was on its way will not arrive."""
        self._over()
        self._failed.labels(error).inc()

    def silent(self) -> float:
        """Seconds since the broker confirmed anything; 0 where nothing is awaited."""
        with self._lock:
            return self._now() - self._heard if self._awaited else 0.0

    def waiting(self) -> str:
        """Why no events get onto the topics; empty where they do, or where there are none to send."""
        silent = self.silent()
        return f"the broker has confirmed nothing for {silent:.0f} s" if silent > QUIET_SECONDS else ""

    def dead(self) -> str:
        """Why the feed must be started again; empty where that is not so."""
        return self.waiting() if self.silent() > HUNG_SECONDS else ""

    def _over(self) -> None:
        with self._lock:
            self._awaited -= 1
            self._heard = self._now()
