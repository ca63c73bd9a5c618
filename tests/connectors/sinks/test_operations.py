"""Heartbeats as points without patients, one for each partition and ten seconds."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest

from connectors.kafka.records import Record
from connectors.kafka.topics import ALERTS, HEARTBEATS
from connectors.services import Influx
from connectors.sinks import operations
from tests import factories as make
from tests.connectors.console.bench import Bench
from tests.lineprotocol import parse
from twin.events import Event, encode


def record(event: Event, topic: str = HEARTBEATS) -> Record:
    return Record(topic, 1, 7, 0, b"1", encode(event))


@pytest.fixture
def bench(kafka: str, influx: Influx) -> Bench:
    bench = Bench(kafka, influx)
    bench.close()
    return bench


def test_beats_of_ten_seconds_are_one_point_and_sealed_patients_are_only_counted(bench: Bench) -> None:
    with closing(operations.OperationsWriter(bench.to_influx)) as writer:
        beats = [make.heartbeat(1, make.START + timedelta(seconds=second), lag=second) for second in range(20)]
        lines = [line for beat in beats for line in writer.items(record(beat))]
        writer.write(lines)
        assert not any("P-0009" in line for line in lines)
        stored = bench.rows("partition", "1", by="partition")
        assert [(row["lag"], row["sealed"], row["stuck"]) for row in stored] == [(9, 1, 0), (19, 1, 0)]
        assert parse(lines[0]).tags == {"partition": "1"}
        with pytest.raises(ValueError, match="no heartbeat"):
            writer.items(record(make.alert(), ALERTS))


def test_the_bucket_is_that_of_the_other_points_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_INFLUX_BUCKET", "points")
    for named, used in (("", "points"), ("beats", "beats")):
        with operations.open_writer(operations.Settings(bucket=named)) as writer:
            assert writer._bucket == used
