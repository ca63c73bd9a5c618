"""What the reading of devices counts and times, for Prometheus. No patient, event or device ever appears in a label."""

from __future__ import annotations

from typing import TypedDict

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)


class _Named(TypedDict):
    namespace: str
    subsystem: str
    registry: CollectorRegistry


class DeviceMetrics:
    """The meters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        named = _Named(namespace="dosetwin", subsystem="devices", registry=self.registry)
        self.records = Counter("records", "Words and bindings read", **named)
        self.told = Counter("told_events", "Events of patients made durable, by topic", ["topic"], **named)
        self.rejected = Counter("dead_letters", "Dead letters, by reason", ["reason"], **named)
        self.restarts = Counter("restarts", "Times that it began anew from its rows", **named)
        self.batch = Histogram("batch_seconds", "From a batch read until it is committed", buckets=_BUCKETS, **named)
        self.partitions = Gauge("partitions", "Partitions that it holds", **named)
        self.kept = Gauge("kept_words", "Words that a binding can still move", **named)
        self.waiting = Gauge("waiting_words", "Words among them that are nobody's yet", **named)
        self.lag = Gauge("lag_records", "Records at the broker that are not read yet", **named)

    def summary(self) -> dict[str, int]:
        """The totals of a run, for the last line."""
        names = {"records": "records", "told": "told_events", "rejected": "dead_letters", "restarts": "restarts"}
        return {said: self._total(name) for said, name in names.items()}

    def _total(self, name: str) -> int:
        samples = (sample for family in self.registry.collect() for sample in family.samples)
        return int(sum(sample.value for sample in samples if sample.name == f"dosetwin_devices_{name}_total"))
