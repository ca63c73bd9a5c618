"""Every query of the boards is timed on a ward that the sinks' own writers wrote, and of it nothing is left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connectors.grafana.asking import committed, queries
from connectors.services import Influx
from connectors.services.influxdb import request
from streams.bench.boards.asked import Database, query_times, slowest
from streams.bench.boards.filled import shown
from streams.bench.figures import BOARDS, QUICK, boards
from streams.bench.stream import BenchmarkFailed

pytestmark = pytest.mark.slow

SMALL = replace(QUICK, particles=100, ward=5, board_days=1, repeats=1)


def buckets(influx: Influx) -> list[str]:
    _, answer = request(influx.url, "GET", "/api/v2/buckets?limit=100", token=influx.token)
    return [bucket["name"] for bucket in answer["buckets"]]


def rows(influx: Influx, measurement: str, field: str) -> list[dict[str, Any]]:
    from influxdb_client.client.influxdb_client import InfluxDBClient

    flux = f"""from(bucket: "{influx.bucket}") |> range(start: 0)
      |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}") |> group()"""
    with InfluxDBClient(url=influx.url, token=influx.token, org=influx.org) as client:
        return [record.values for table in client.query_api().query(flux) for record in table.records]


def test_every_query_of_every_board_is_timed_on_as_many_patients_and_nothing_is_left(influx: Influx) -> None:
    said: list[str] = []

    def say(word: str) -> None:
        said.append(word)
        if word != "every query of the boards":
            return
        (bucket,) = (name for name in buckets(influx) if "bench" in name)
        ours = replace(influx, bucket=bucket)
        assert {row["patient"] for row in rows(ours, "health", "ess")} == {f"W-{number:04}" for number in range(5)}
        whose: dict[str, set[str]] = {}
        for row in rows(ours, "alert", "alert_id"):
            whose.setdefault(row["_value"], set()).add(row["patient"])
        assert whose
        assert all(len(patients) == 1 for patients in whose.values())
        assert (len(rows(ours, "partition", "lag")), len(rows(ours, "rejected", "position"))) == (4 * 8640, 20)

    found = boards(influx, SMALL, say)
    assert tuple(found) == BOARDS
    every = [asked.where for name, board in committed().items() for asked in queries(name, board)]
    assert found["grafana_queries"] == len(every)
    assert set(found["grafana_query_ms_slowest"]) == {"filter", "operations", "patient", "ward"}
    assert all(took > 0 for took in found["grafana_query_ms_slowest"].values())
    assert " ms: " in said[-1]
    assert not any("bench" in name for name in buckets(influx))


def test_a_query_that_is_refused_is_said_with_the_answer(influx: Influx) -> None:
    with pytest.raises(BenchmarkFailed, match=r"InfluxDB answers 404 to\n(.*\n)+.*could not find bucket"):
        query_times(replace(influx, bucket="no-such-bucket"), shown(1), 1)


def test_a_bench_of_the_boards_ends_however_slow_the_database_is(
    influx: Influx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.bench.boards.asked.ALL_SECONDS", -1.0)
    with pytest.raises(BenchmarkFailed, match=r"0 queries were timed in -1 s, and not \w+"):
        query_times(influx, shown(1), 1)
    monkeypatch.setattr("streams.bench.boards.filled.FILL_SECONDS", -1.0)
    with pytest.raises(BenchmarkFailed, match="0 of 5 patients were written in -1 s"):
        boards(influx, SMALL, lambda _: None)
    assert not any("bench" in name for name in buckets(influx))


def test_a_slow_query_is_asked_no_more_often_than_it_must_be(influx: Influx, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()
    database = Database(influx)
    monkeypatch.setattr(database, "answer", asked.append)
    database.milliseconds("quick", 5)
    monkeypatch.setattr("streams.bench.boards.asked.QUERY_SECONDS", -1.0)
    database.milliseconds("slow", 5)
    database.close()
    assert (asked.count("quick"), asked.count("slow")) == (6, 2)


def test_of_each_board_the_slowest_counts() -> None:
    assert slowest({"ward: A": 3.0, "ward: B": 5.0, "patient: A": 4.0}) == {"ward": 5.0, "patient": 4.0}
