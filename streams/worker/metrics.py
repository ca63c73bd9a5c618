"""What the worker counts and times, for Prometheus. No patient, event or device ever appears in a label.

``latency`` is the time from an input's record time (when the broker took it) until all that followed from it is
durable. The newest latencies are kept exactly, so that quantiles need no guessing from buckets.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter as Counts
from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import accumulate
from typing import TypedDict

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

WINDOW = 20_000
"""Number of newest latencies kept for exact quantiles."""

WINDOW_SECONDS = 30.0
"""The gauges of latency quantiles look back so far."""

_LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
_ESS_BUCKETS = (10, 25, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 2000, 5000)


class _Named(TypedDict):
    namespace: str
    registry: CollectorRegistry


class _Passed(Collector):
    """What is counted of every event: added up on the event loop without a lock, made into samples when asked for.

    Attributes:
        came: input records by topic.
        within: latencies by bucket; the last is of those beyond all bounds.
        seconds: sum of the latencies.
    """

    def __init__(self) -> None:
        self.came: Counts[str] = Counts()
        self.within = [0] * (len(_LATENCY_BUCKETS) + 1)
        self.seconds = 0.0

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """Both meters as they stand."""
        events = CounterMetricFamily("dosetwin_events_in", "Input records taken, by topic", labels=["topic"])
        for topic, count in self.came.copy().items():
            events.add_metric([topic], count)
        yield events
        bounds = [*map(floatToGoString, _LATENCY_BUCKETS), "+Inf"]
        buckets = list(zip(bounds, accumulate(self.within.copy()), strict=True))
        yield HistogramMetricFamily(
            "dosetwin_latency_seconds", "Record time until everything durable", buckets, sum_value=self.seconds
        )


class WorkerMetrics:
    """The worker's meters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # processor time and memory, under Prometheus's own names
        named = _Named(namespace="dosetwin", registry=self.registry)
        self.repeats = Counter("repeats", "Input records passed over because they were applied before", **named)
        self.outputs = Counter("outputs", "Outputs made durable, by topic", ["topic"], **named)
        self.alerts = Counter("alerts", "Transitions of alerts, by rule and state", ["rule", "state"], **named)
        self.rejected = Counter("rejected", "Dead letters, by reason", ["reason"], **named)
        self.barrier = Histogram("barrier_seconds", "Duration of a barrier", buckets=_LATENCY_BUCKETS, **named)
        self.rows = Counter("state_rows", "State rows written", **named)
        self.row_bytes = Counter("state_row_bytes", "Bytes of state rows written", **named)
        self.ess = Histogram("ess", "Effective sample size of published estimates", buckets=_ESS_BUCKETS, **named)
        self.refolds = Counter("refolds", "Times that late or corrected events let a twin fold again", **named)
        self.moves = Counter("moved_twins", "Twins moved to a released version of their model", **named)
        self.thinned = Counter("thinned_posteriors", "Messages of twins sent with fewer particles, for room", **named)
        self.gaps = Counter("gaps", "Partitions rewound because a record was missing", **named)
        self.partitions = Gauge("partitions", "Partitions that this worker holds", **named)
        self.patients = Gauge("patients", "Patients of this worker", **named)
        self.resident = Gauge("resident_twins", "Patients of this worker whose twin is in memory", **named)
        self.in_flight = Gauge("in_flight_records", "Records taken and not yet handled", **named)
        of_each = ["partition"]
        self.lag = Gauge(
            "partition_lag_records", "Input records at the broker that are not handled yet", of_each, **named
        )
        self.behind = Gauge(
            "partition_behind_seconds", "Age of the newest handled, while others wait", of_each, **named
        )
        self.barrier_age = Gauge("partition_barrier_age_seconds", "Time since the last barrier", of_each, **named)
        self.still = Gauge(
            "partition_recovery_still_seconds", "Time for which no state row came that is lacking", of_each, **named
        )
        for quantile in (0.5, 0.99):
            name = f"latency_p{quantile * 100:.0f}_seconds"
            gauge = Gauge(name, f"Quantile of the latencies of the last {WINDOW_SECONDS:g} s", **named)
            gauge.set_function(partial(self._recent_or_zero, quantile))
        self._passed = _Passed()
        self.registry.register(self._passed)
        self._latencies: deque[tuple[float, float]] = deque(maxlen=WINDOW)

    def progressed(self, partition: int, lag: int, behind: float, barrier: float) -> None:
        """How far a partition is (`streams.worker.heartbeat`)."""
        for gauge, value in ((self.lag, lag), (self.behind, behind), (self.barrier_age, barrier)):
            gauge.labels(str(partition)).set(value)

    def forget_partitions(self) -> None:
        """The partitions were given back."""
        for gauge in (self.lag, self.behind, self.barrier_age):
            gauge.clear()

    def recovering(self, still: Mapping[int, float]) -> None:
        """For how long the recovery of each partition has stood still, of those that lack state rows."""
        self.still.clear()
        for partition, seconds in still.items():
            self.still.labels(str(partition)).set(seconds)

    def came(self, topic: str) -> None:
        """One input record."""
        self._passed.came[topic] += 1

    def took(self, seconds: float, now: float | None = None) -> None:
        """One input's latency; ``now`` (monotonic s) where it is known."""
        seconds, passed = seconds if seconds > 0.0 else 0.0, self._passed
        passed.within[bisect_left(_LATENCY_BUCKETS, seconds)] += 1
        passed.seconds += seconds
        self._latencies.append((time.monotonic() if now is None else now, seconds))

    def latency_quantile(self, quantile: float, last: float | None = None) -> float | None:
        """Quantile in seconds of the newest latencies, or of those of the ``last`` seconds; None without any."""
        since = time.monotonic() - last if last is not None else 0.0
        ordered = sorted(latency for noted, latency in self._latencies.copy() if noted >= since)
        return ordered[min(int(quantile * len(ordered)), len(ordered) - 1)] if ordered else None

    def _recent_or_zero(self, quantile: float) -> float:
        return self.latency_quantile(quantile, WINDOW_SECONDS) or 0.0

    def summary(self) -> dict[str, float | int | dict[str, float]]:
        """The figures of a run, for the last log line: totals and latency quantiles in ms."""
        total = dict.fromkeys(("events_in", "outputs", "rejected", "repeats", "state_rows", "gaps"), 0.0)
        for family in self.registry.collect():
            for sample in family.samples:
                name = sample.name.removeprefix("dosetwin_").removesuffix("_total")
                if sample.name.endswith("_total") and name in total:
                    total[name] += sample.value
        quantiles = {f"p{q * 100:.0f}": round(1000 * (self.latency_quantile(q) or 0.0), 1) for q in (0.5, 0.99)}
        return {**{name: int(value) for name, value in total.items()}, "latency_ms": quantiles}
