from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import cast

import pytest
from aiokafka.errors import (
    KafkaTimeoutError,
    NodeNotReadyError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnknownMemberIdError,
)
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import DefaultPartitioner
from typer.testing import CliRunner

from connectors.kafka.topics import home_partition
from streams.cli import app
from streams.worker.app import BROKER_LOST, FAILED_SECONDS, TwinApp, broker_lost, run_worker
from streams.worker.metrics import WINDOW_SECONDS, WorkerMetrics
from streams.worker.standstill import ConsumerStuck, RecoveryStuck


@given(st.binary(min_size=1, max_size=64), st.integers(1, 50))
def test_a_key_is_at_home_where_the_producers_put_it(key: bytes, partitions: int) -> None:
    class Cluster:
        def topics(self) -> set[str]:
            return {"t"}

        def partitions_for_topic(self, _: str) -> set[int]:
            return set(range(partitions))

        available_partitions_for_topic = partitions_for_topic

    assert home_partition(key, partitions) == DefaultPartitioner().partition("t", key, key, b"", b"", Cluster())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--model", "ours"], "expected ID=FILE"),
        (["--model", "ours=/no/such/file"], "expected ID=FILE"),
        (["--ready", "docetaxel"], "no such model; did you mean"),
        (["--twins", "nowhere"], "expected 'module:name'"),
        (["--kafka", "nonsense"], "DOSETWIN_KAFKA='nonsense'"),
        (["--kafka", "127.0.0.1:1"], "no Kafka answers at 127.0.0.1:1"),
    ],
)
def test_a_worker_that_cannot_start_says_why(arguments: list[str], complaint: str) -> None:
    result = CliRunner().invoke(app, ["worker", *arguments])
    assert result.exit_code == 1
    assert complaint in result.output


def test_a_level_that_is_none_names_those_there_are() -> None:
    result = CliRunner().invoke(app, ["worker", "--log-level", "loud"])
    assert result.exit_code == 2
    assert all(f"'{word}'" in result.output for word in ("loud", "debug", "info", "warning", "error"))


@pytest.mark.parametrize(
    ("failure", "passing"),
    [
        (NodeNotReadyError(), True),
        (KafkaTimeoutError(), True),
        (UnknownMemberIdError(), True),
        (ConnectionResetError(), True),
        (ConsumerStuck("9 records wait"), True),
        (RecoveryStuck("partition 0 lacks 9 rows"), True),
        (RecordTooLargeError(), False),
        (TopicAuthorizationFailedError(), False),
        (ValueError("a row that cannot be read"), False),
    ],
)
def test_a_worker_starts_anew_only_where_the_connection_failed(
    failure: BaseException, passing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.worker.app.broker_answers", lambda _: True)
    assert broker_lost(failure, "127.0.0.1:9092") == passing
    monkeypatch.setattr("streams.worker.app.broker_answers", lambda _: False)
    assert broker_lost(failure, "127.0.0.1:9092")


async def test_a_worker_that_failed_and_comes_to_no_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[float] = []

    @contextmanager
    def ended_if_late(seconds: float) -> Iterator[None]:
        ended.append(seconds)
        yield
        ended.append(0.0)

    async def at_once() -> None: ...

    async def fails() -> None:
        raise ConsumerStuck("9 records wait")

    monkeypatch.setattr("streams.worker.app.ended_if_late", ended_if_late)
    monkeypatch.setattr("streams.worker.app.broker_answers", lambda _: True)
    monkeypatch.setattr("streams.worker.app.watch_recovery", lambda _: asyncio.sleep(3600))
    closed = SimpleNamespace(close=lambda: None)
    failing = SimpleNamespace(
        start=at_once, stop=at_once, tick=fails, finalize=lambda: None, dispatcher=closed, rows=closed, rolling=None,
        _crashed=asyncio.Event(), crash_reason=None, bootstrap="127.0.0.1:9092", metrics=WorkerMetrics(),
    )  # fmt: skip
    assert await run_worker(cast(TwinApp, failing)) == BROKER_LOST
    assert ended == [FAILED_SECONDS, 0.0]


def test_the_summary_of_a_run_adds_up_topics_and_reasons() -> None:
    metrics = WorkerMetrics()
    for topic in "aaab":
        metrics.came(topic)
    metrics.rejected.labels("far_future").inc()
    for milliseconds in range(1, 101):
        metrics.took(milliseconds / 1000)
    summary = metrics.summary()
    assert (summary["events_in"], summary["rejected"], summary["outputs"]) == (4, 1, 0)
    assert summary["latency_ms"] == {"p50": 51.0, "p99": 100.0}


def test_the_histogram_of_latencies_and_the_count_of_events_are_served_as_they_stand() -> None:
    metrics = WorkerMetrics()
    for seconds in (-1.0, 0.005, 0.3, 400.0):
        metrics.took(seconds)
    metrics.came("iomt.vitals")
    value = metrics.registry.get_sample_value
    buckets = {le: value("dosetwin_latency_seconds_bucket", {"le": le}) for le in ("0.005", "0.2", "0.35", "+Inf")}
    assert buckets == {"0.005": 2, "0.2": 2, "0.35": 3, "+Inf": 4}
    assert (value("dosetwin_latency_seconds_count"), value("dosetwin_latency_seconds_sum")) == (4, 400.305)
    assert value("dosetwin_events_in_total", {"topic": "iomt.vitals"}) == 1


def test_the_latency_gauges_look_back_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = WorkerMetrics()
    now = 1000.0
    monkeypatch.setattr("streams.worker.metrics.time.monotonic", lambda: now)
    metrics.took(5.0)
    now += WINDOW_SECONDS + 1
    metrics.took(1.0)
    assert metrics.registry.get_sample_value("dosetwin_latency_p99_seconds") == 1.0
    assert metrics.latency_quantile(0.99) == 5.0
