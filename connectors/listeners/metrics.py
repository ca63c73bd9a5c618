"""What a way in counts, for Prometheus. No patient, message or device ever appears in a label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connectors.listeners.intake import Intake


class IntakeCollector(Collector):
    """The counts of intakes as they stand when they are asked for, by source.

    Args:
        intakes: by source.
        gauges: what else there is to see, as open connections: its name, what it is, and its value now.
    """

    def __init__(
        self, intakes: Mapping[str, Intake], gauges: Iterable[tuple[str, str, Callable[[], float]]] = ()
    ) -> None:
        self._intakes = intakes
        self._gauges = tuple(gauges)

    def collect(self) -> Iterable[Metric]:
        """Every family, once."""
        messages = _counter("messages", "Messages taken and safe in Kafka")
        unsafe = _counter("unsafe_messages", "Messages that were to be sent again, as Kafka had not confirmed them")
        repeated = _counter("repeated_facts", "Facts that were told before")
        passed = _counter("passed_facts", "What no twin reads")
        events = _counter("events", "Events that Kafka confirmed, by kind", "kind")
        refused = _counter("refused_facts", "Facts that cannot be used, by reason", "reason")
        for source, intake in self._intakes.items():
            counts = intake.counts
            messages.add_metric([source], counts.messages)
            unsafe.add_metric([source], counts.unsafe)
            repeated.add_metric([source], counts.repeated)
            passed.add_metric([source], counts.passed)
            for kind, count in counts.events.items():
                events.add_metric([source, kind], count)
            for reason, count in counts.refused.items():
                refused.add_metric([source, reason], count)
        yield from (messages, unsafe, repeated, passed, events, refused)
        for name, says, value in self._gauges:
            yield GaugeMetricFamily(f"dosetwin_intake_{name}", says, value())


def registry_of(
    intakes: Mapping[str, Intake], gauges: Iterable[tuple[str, str, Callable[[], float]]] = ()
) -> CollectorRegistry:
    """A registry with the counts of these intakes alone."""
    registry = CollectorRegistry()
    registry.register(IntakeCollector(intakes, gauges))
    return registry


def _counter(name: str, says: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"dosetwin_intake_{name}", says, labels=["source", *labels])
