"""What the console counts, for Prometheus. No patient, event or device ever appears in a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connectors.audit.trail import Trail
from connectors.console.topic_reader import LiveBoard


class _Read(Collector):
    """The figures as they stand when somebody asks."""

    def __init__(self, live: LiveBoard, trail: Trail) -> None:
        self._live, self._trail = live, trail

    def collect(self) -> Iterator[Metric]:
        """Every figure, once."""
        status, rows = self._live.status, self._live.ward().rows
        yield CounterMetricFamily("dosetwin_console_records", "Records read", status.records)
        yield CounterMetricFamily("dosetwin_console_undecodable", "Records that were no output", status.undecodable)
        yield GaugeMetricFamily("dosetwin_console_lag_records", "Records in Kafka that are not read yet", status.behind)
        up = float(status.state == "live")
        yield GaugeMetricFamily("dosetwin_console_live", "1 while the past is read and the broker answers", up)
        yield GaugeMetricFamily("dosetwin_console_patients", "Patients on the ward", len(rows))
        waiting, left_out = self._trail.waiting, self._trail.left_out
        yield GaugeMetricFamily("dosetwin_console_accesses_waiting", "Accesses that Kafka does not have yet", waiting)
        yield CounterMetricFamily("dosetwin_console_refusals_left_out", "Refusals that had no room there", left_out)
        alerts = GaugeMetricFamily("dosetwin_console_alerts", "Alerts that stand, by rule", labels=["rule"])
        for rule, count in sorted(Counter(card.rule for row in rows for card in row.alerts).items()):
            alerts.add_metric([rule], count)
        yield alerts


def console_metrics(live: LiveBoard, trail: Trail) -> CollectorRegistry:
    """The registry of one console."""
    registry = CollectorRegistry()
    registry.register(_Read(live, trail))
    return registry
