"""Heartbeats as points without patients, one for each partition and ten seconds."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from connectors.kafka.records import Record
from connectors.kafka.topics import ALERTS, HEARTBEATS
from connectors.services import Influx
from connectors.settings import Settings as Surroundings
from connectors.sinks import operations
from tests import factories as make
from tests.connectors.console.bench import Bench, eventually, running
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
        with operations.open_writer(operations.Settings(bucket=named), Surroundings(kafka="127.0.0.1:1")) as writer:
            assert writer._bucket == used


def test_how_far_each_sink_is_is_asked_of_the_broker_also_where_it_does_not_run(kafka: str, influx: Influx) -> None:
    bench = Bench(kafka, influx)
    bench.send(*(make.estimate(f"P-{number}") for number in range(5)))
    assert operations.sink_lines(bench.settings, 0) == []
    with running(bench) as sink:
        eventually(lambda: sink.summary()["events"] == 5)
        eventually(lambda: lag_of(bench)["running"] == 1)
    eventually(lambda: lag_of(bench) == {"lag": 0, "behind_seconds": 0.0, "running": 0})
    bench.send(*(make.estimate(f"P-{number}") for number in range(3)), make.alert())
    behind = lag_of(bench)
    assert (behind["lag"], behind["running"]) == (4, 0)
    assert behind["behind_seconds"] > 0.0
    its = operations.Settings(bucket=bench.influx.bucket)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOSETWIN_INFLUX_URL", influx.url)
        patch.setenv("DOSETWIN_INFLUX_TOKEN", influx.token)
        with operations.open_writer(its, bench.settings):
            eventually(lambda: bool(bench.rows("sink", "influx", by="sink")))
    assert {row["lag"] for row in bench.rows("sink", "influx", by="sink")} == {4}
    bench.close()


def lag_of(bench: Bench) -> dict[str, Any]:
    (line,) = operations.sink_lines(bench.settings, 12_345)
    point = parse(line)
    assert (point.measurement, point.tags, point.ns) == ("sink", {"sink": "influx"}, 10_000 * 1_000_000)
    return point.fields
