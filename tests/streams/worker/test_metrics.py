"""What worker and sinks measure says in its name in which unit, and in no label of whom."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from connectors.sinks.metrics import SinkMetrics
from streams.worker.metrics import WorkerMetrics

UNITS = ("_seconds", "_bytes", "_records", "_patients", "_partitions", "_twins", "_ess")
"""How the name of a measure ends; of counters the name says what is counted."""

OF_PROMETHEUS = "process_"
"""So begin those that Prometheus' client names itself."""


@pytest.mark.parametrize("registry", [WorkerMetrics().registry, SinkMetrics().registry], ids=["worker", "sink"])
def test_every_measure_has_a_unit_and_no_label_a_patient(registry: CollectorRegistry) -> None:
    families = list(registry.collect())
    assert families
    for family in families:
        counted = family.type == "counter" or family.name.startswith(OF_PROMETHEUS)
        assert counted or family.name.endswith(UNITS), family.name
        assert family.documentation
        assert not {name for sample in family.samples for name in sample.labels} & {"patient", "patient_id", "event"}
