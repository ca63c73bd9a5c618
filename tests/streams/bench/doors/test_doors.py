"""The figures of the live ways in are measured on a real Kafka; how good they are is no test's business."""

from __future__ import annotations

import pytest

from connectors.speaking.hl7 import Message
from streams.bench.doors.mllp import _send
from streams.bench.figures import DOORS, QUICK, doors
from streams.bench.stream import BenchmarkFailed
from tests.connectors.speaking.test_mllp import MESSAGE, acknowledged, listener
from tests.streams.bench.forked import forked

pytestmark = pytest.mark.slow


def test_what_the_ways_in_cost_is_measured(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.bench.doors.listener._process", forked)
    said: list[str] = []
    found = doors(kafka, QUICK, said.append)
    assert set(found) == set(DOORS)
    assert found["mllp_per_s"] > 0
    assert 0 < found["http_ms"]["p50"] <= found["http_ms"]["p99"]
    assert 0 < found["mllp_mib"] < 400
    assert found["fhir_per_s"] > 0
    assert 0 < found["fhir_mib"] < 400
    assert said == [
        "300 messages over MLLP", "500 events a second over HTTP, for 1 s", "300 resources of a FHIR server",
    ]  # fmt: skip


def test_a_message_that_is_refused_ends_the_measurement() -> None:
    with listener([acknowledged("CR")]) as (address, _), pytest.raises(BenchmarkFailed, match="answered with CR"):
        _send(address, [Message("ORU^R01", MESSAGE)])
