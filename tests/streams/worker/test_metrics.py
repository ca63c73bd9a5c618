"""What worker, devices, feeds and sinks measure says in its name in which unit, and in no label of whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest
from prometheus_client import CollectorRegistry

from connectors.kafka.feed_metrics import FeedMetrics
from connectors.sinks.metrics import SinkMetrics
from streams.devices.metrics import DeviceMetrics
from streams.worker.metrics import WorkerMetrics

UNITS = ("_seconds", "_bytes", "_records", "_patients", "_partitions", "_twins", "_words", "_ess")
"""How the name of a measure ends; of counters the name says what is counted."""

OF_PROMETHEUS = "process_"
"""So begin those that Prometheus' client names itself."""


class Measured(Protocol):
    """Whatever keeps figures of its own."""

    registry: CollectorRegistry


@pytest.mark.parametrize("metrics", [WorkerMetrics, DeviceMetrics, FeedMetrics, SinkMetrics])
def test_every_measure_has_a_unit_and_no_label_a_patient(metrics: Callable[[], Measured]) -> None:
    families = list(metrics().registry.collect())
    assert families
    for family in families:
        counted = family.type == "counter" or family.name.startswith(OF_PROMETHEUS)
        assert counted or family.name.endswith(UNITS), family.name
        assert family.documentation
        labels = {name for sample in family.samples for name in sample.labels}
        assert not labels & {"patient", "patient_id", "event", "device"}
