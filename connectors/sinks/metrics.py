"""What a sink counts and times, for Prometheus. No patient, event or device ever appears in a label."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypedDict

from prometheus_client import CollectorRegistry, Counter, Gauge


class _Named(TypedDict):
    namespace: str
    subsystem: str
    registry: CollectorRegistry


class SinkMetrics:
    """The meters of one sink, in a registry of their own; ``now`` is a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._durable_at = now()
        self.registry = CollectorRegistry()
        named = _Named(namespace="dosetwin", subsystem="sink", registry=self.registry)
        self.events = Counter("events", "Records done: written, put aside, or nothing to write", **named)
        self.items = Counter("items", "Items that the outside system confirmed", **named)
        self.batches = Counter("batches", "Batches that were written", **named)
        self.dead_letters = Counter("dead_letters", "Records put aside, by reason", ["reason"], **named)
        self.outages = Counter("outages", "Times that writing had to wait", **named)
        self.retries = Counter("retries", "Further attempts at a batch, by what the last one met", ["cause"], **named)
        self.later = Gauge("later_records", "Records that are to be written later, by the sink's own settings", **named)
        self.lag = Gauge("lag_records", "Records in Kafka that are not written yet", **named)
        age = Gauge("durable_age_seconds", "Since all that was read was written and committed", **named)
        age.set_function(lambda: self._now() - self._durable_at)

    def all_durable(self) -> None:
        """At this moment all that was read is written and committed."""
        self._durable_at = self._now()

    def total(self, name: str) -> int:
        """A counter as it stands, over all its labels."""
        samples = (sample for family in self.registry.collect() for sample in family.samples)
        return int(sum(sample.value for sample in samples if sample.name == f"dosetwin_sink_{name}_total"))
