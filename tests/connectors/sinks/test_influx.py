"""The sink on a real Kafka and a real InfluxDB: nothing lost, nothing doubled, nothing that stops it."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer

from connectors.kafka.records import Record
from connectors.kafka.subscription import Subscription
from connectors.kafka.topics import ALERTS, ESTIMATES, ORDERS, PUMP, REJECTED, VITALS
from connectors.services import Influx
from connectors.sinks import delivery
from connectors.sinks.delivery import Delivery, open_delivery
from connectors.sinks.influx import TOPICS, InfluxWriter, Settings, open_writer
from connectors.sinks.writer import AccessDenied, Unavailable
from tests import factories as make
from tests.connectors.console.bench import PATIENCE, Bench, eventually, running
from tests.faulty_influx import OUTAGES, TOO_LONG, Answer, FaultyInflux, passing
from tests.streams.worker.forks import Forked
from twin.events import encode

LINES = 14
"""Lines of an estimate of these tests."""

CONFLICT = (
    'failure writing points to database: partial write: field type conflict: input field "ess" on measurement "health" '
    "is type float, already exists as type integer dropped={}"
)


@pytest.fixture
def bench(kafka: str, influx: Influx) -> Iterator[Bench]:
    bench = Bench(kafka, influx)
    yield bench
    bench.close()


@pytest.fixture
def patient() -> str:
    return f"P-{uuid.uuid4().hex[:12]}"


def estimates(patient: str, count: int, first: int = 0) -> list[Any]:
    return [make.estimate(patient, make.at(hour)) for hour in range(first, first + count)]


def test_what_is_published_is_stored_and_committed(bench: Bench, patient: str) -> None:
    bench.send(
        *estimates(patient, 5),
        make.prediction(patient),
        make.forecast(patient),
        make.alert(patient),
        make.vital(patient),
        make.plan(patient),
    )
    with running(bench) as sink:
        eventually(lambda: sink.summary()["events"] == 10)
        eventually(lambda: bench.committed() == 10)
    assert len(bench.rows("estimate", patient)) == 10
    assert [len(bench.rows(name, patient)) for name in ("prediction", "nadir", "alert", "vital")] == [1, 1, 1, 1]
    assert [row["amount_mg"] for row in bench.rows("planned_dose", patient)] == [None, 96.0]
    assert sink.summary() == {"items": 5 * LINES + 2 + 9 + 1 + 1 + 2, "events": 10, "refused": 0, "outages": 0}


def test_a_plan_of_a_drug_that_nobody_knows_makes_no_series() -> None:
    def lines(drug: str, more: str = "") -> list[str]:
        with open_writer(Settings(drugs=more)) as writer:
            return writer.items(Record(ORDERS, 0, 0, 0, None, encode(make.plan(drug=drug))))

    assert len(lines("docetaxel")) == 2
    assert [lines(f"unheard of {number}") for number in range(3)] == [[], [], []]
    assert len(lines("kryptonite", more="x, kryptonite")) == 2


def test_reading_the_stream_again_changes_nothing(bench: Bench, patient: str) -> None:
    bench.send(*estimates(patient, 4), make.alert(patient), make.forecast(patient), make.plan(patient))
    with running(bench) as sink:
        eventually(lambda: sink.summary()["events"] == 7)
    before = [bench.rows(name, patient) for name in ("estimate", "alert", "forecast", "planned_dose")]
    admin = KafkaAdminClient(bootstrap_servers=bench.settings.kafka)
    admin.delete_groups([bench.group])
    admin.close()
    with running(bench) as again:
        eventually(lambda: again.summary()["events"] == 7)
    assert [bench.rows(name, patient) for name in ("estimate", "alert", "forecast", "planned_dose")] == before


def test_nothing_is_committed_before_it_is_written(bench: Bench, patient: str) -> None:
    bench.send(*estimates(patient, 3))
    committed_at_write = []

    stop = threading.Event()

    class Watched(InfluxWriter):
        def write(self, items: Sequence[str]) -> None:
            committed_at_write.append(bench.committed())
            super().write(items)
            committed_at_write.append(bench.committed())
            stop.set()

    writer = Watched(bench.to_influx)
    with open_delivery("influx", TOPICS, writer, bench.settings) as sink:
        sink.run(stop)
    writer.close()
    assert committed_at_write == [0, 0]
    assert bench.committed() == 3


def test_kafka_keeps_the_stream_through_every_outage_and_nothing_is_lost_or_doubled(
    bench: Bench, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, as each call meets the next; what comes in the meantime is written with the rest."""
    monkeypatch.setattr(delivery, "LONGEST_DELAY", 0.25)
    met: list[tuple[str, int, int]] = []
    faults = iter(OUTAGES.items())

    def next_of_all(lines: Sequence[str]) -> Answer | None:
        name, fault = next(faults, ("", passing))
        met.append((name, bench.committed(), sink.summary()["items"]))
        return fault(lines)

    with FaultyInflux(bench.influx) as door, running(bench, url=door.url, timeout_ms=int(1000 * TOO_LONG / 3)) as sink:
        door.fault = next_of_all
        bench.send(*estimates(patient, 6))
        eventually(lambda: len(met) > 2)
        assert sink.waiting()
        bench.send(*estimates(patient, 6, first=6))  # while it waits
        eventually(lambda: len(met) > len(OUTAGES))
        door.fault = passing
        eventually(lambda: bench.committed() == 12)
        assert not sink.waiting()
    assert met[: len(OUTAGES)] == [(name, 0, 0) for name in OUTAGES]
    assert [row["_time"] for row in bench.rows("health", patient)] == [make.at(hour) for hour in range(12)]
    assert len(bench.rows("estimate", patient)) == 24
    assert bench.dead_letters() == []
    assert sink.summary() == {"events": 12, "items": 12 * LINES, "refused": 0, "outages": 1}
    retries = {cause: sink.metrics.retries.labels(cause)._value.get() for cause in ("too_slow", "access_denied")}
    assert retries == {"too_slow": 1, "access_denied": 2}


@pytest.mark.parametrize("message", ["refused", CONFLICT])
def test_a_measurement_refused_slowly_holds_nothing_up(bench: Bench, patient: str, message: str) -> None:
    """As of a bucket where it has fields of another type, on a server that takes its time."""
    total = 40
    bench.send(*estimates(patient, total))

    def refuse(lines: Sequence[str]) -> Answer | None:
        bad = sum(line.startswith("health,") for line in lines)
        return Answer(422, message.format(bad), after=0.05) if bad else None

    with FaultyInflux(bench.influx, refuse) as door:
        with running(bench, url=door.url) as sink:
            eventually(lambda: sink.summary()["refused"] >= 3)
            began = time.monotonic()
        assert time.monotonic() - began < 10
        done = sink.summary()["events"]
        assert bench.committed() == done
        with running(bench, url=door.url):
            eventually(lambda: bench.committed() == 2 * total)  # with the dead letters, which are drawn too
        assert len(door.calls) < (90 if message == "refused" else 30)
    assert sorted(letter.offset or 0 for letter in bench.dead_letters()) == list(range(total))
    assert len(bench.rows("estimate", patient)) == 2 * total
    assert bench.rows("health", patient) == []


def test_a_waiting_sink_keeps_its_place_in_the_group(bench: Bench, patient: str) -> None:
    """It waits longer than a member may go without a poll; a lost place shows as partitions taken away."""
    bench.send(*estimates(patient, 2))
    consumer = KafkaConsumer(
        bootstrap_servers=bench.settings.kafka,
        group_id=bench.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_interval_ms=1_000,
        session_timeout_ms=6_000,
        heartbeat_interval_ms=200,
    )
    calls: list[float] = []

    class Away(InfluxWriter):
        def write(self, items: Sequence[str]) -> None:
            calls.append(time.monotonic())
            if calls[-1] - calls[0] < 3.0:
                raise Unavailable("away")
            super().write(items)

    subscription = Subscription(consumer, TOPICS, bench.settings.topic_prefix)
    writer = Away(bench.to_influx)
    sink = Delivery("influx", subscription, writer, lambda _record, _reason, _detail: None)
    stop = threading.Event()
    thread = threading.Thread(target=sink.run, args=(stop,))
    thread.start()
    eventually(lambda: sink.summary()["events"] == 2)
    lost, _ = subscription._changes.take()
    stop.set()
    thread.join(PATIENCE)
    consumer.close()
    writer.close()
    assert not lost
    assert sink.summary()["outages"] == 1
    assert bench.committed() == 2


def test_a_line_that_influxdb_refuses_is_put_aside_and_its_neighbours_are_written(bench: Bench, patient: str) -> None:
    beyond = datetime(2300, 1, 1, tzinfo=UTC)  # outside the years that InfluxDB can hold
    poison = make.estimate(patient, beyond)
    bench.send(*estimates(patient, 5), poison, *estimates(patient, 5, first=5))
    with running(bench) as sink:
        eventually(lambda: bench.committed() == 12)  # with the dead letter itself, which is drawn too
    assert len(bench.rows("estimate", patient)) == 20
    (letter,) = bench.dead_letters()
    assert letter.reason == "influx_refused"
    assert "out of range" in letter.detail
    assert (letter.patient_id, letter.event_id) == (patient, poison.event_id)
    assert (letter.topic, letter.offset) == (bench.topic(ESTIMATES), 5)
    assert base64.b64decode(letter.original_base64 or "") == encode(poison)
    assert [row["reason"] for row in bench.rows("rejected", bench.topic(ESTIMATES))] == ["influx_refused"]
    assert (sink.summary()["refused"], sink.summary()["items"]) == (1, 10 * LINES + 1)


def test_a_field_of_another_type_is_put_aside_too(bench: Bench, patient: str) -> None:
    with open_writer(bench.to_influx) as writer:
        writer.write([f'health,patient={patient},model={make.MODEL} ess="many" {int(make.START.timestamp())}000000000'])
    bench.send(make.estimate(patient), make.prediction(patient))
    with running(bench) as sink:
        eventually(lambda: bench.committed() == 3)
    (letter,) = bench.dead_letters()
    assert (letter.reason, "field type conflict" in letter.detail) == ("influx_refused", True)
    assert len(bench.rows("estimate", patient)) == 2
    assert sink.summary()["refused"] == 1


def test_what_is_no_output_event_is_put_aside_once(bench: Bench, patient: str) -> None:
    bench.send_bytes(ESTIMATES, b'{"kind": "estimate", "patient_id": "' + patient.encode() + b'"}')
    bench.send_bytes(ALERTS, b"\xff not json")
    bench.send_bytes(VITALS, b"an input: the worker tells")
    bench.send_bytes(REJECTED, b"not even a dead letter")
    bench.send(make.estimate(patient))
    with running(bench) as sink:
        eventually(lambda: bench.committed() == 7)
    letters = [(letter.reason, letter.topic, letter.patient_id) for letter in bench.dead_letters()]
    assert sorted(letters, key=str) == [
        ("bad_output", bench.topic(ALERTS), None),
        ("bad_output", bench.topic(ESTIMATES), patient),
    ]
    assert sink.summary()["refused"] == 3
    assert len(bench.rows("estimate", patient)) == 2


def test_dead_letters_of_the_worker_are_drawn(bench: Bench, patient: str) -> None:
    source = f"{PUMP}.{patient}"
    bench.send(*(make.rejected(patient, offset=offset, topic=source) for offset in (1, 2, 3)))
    with running(bench) as sink:
        eventually(lambda: sink.summary()["events"] == 3)
    assert [row["position"] for row in bench.rows("rejected", source)] == [f"{source}/1/{n}" for n in (1, 2, 3)]


def test_killed_in_mid_stream_it_loses_nothing_and_doubles_nothing(bench: Bench, patient: str, tmp_path: Path) -> None:
    total = 600
    bench.send(*estimates(patient, total // 2))
    with FaultyInflux(bench.influx) as door:
        environment = os.environ | {
            "DOSETWIN_KAFKA": bench.settings.kafka,
            "DOSETWIN_TOPIC_PREFIX": bench.settings.topic_prefix,
            "DOSETWIN_PARTITIONS": "2",
            "DOSETWIN_INFLUX_URL": door.url,
            "DOSETWIN_INFLUX_TOKEN": bench.influx.token,
            "DOSETWIN_INFLUX_ORG": bench.influx.org,
            "DOSETWIN_INFLUX_BUCKET": bench.influx.bucket,
        }
        log = tmp_path / "log"
        with log.open("wb") as told:
            killed = Forked(["sink", "influx"], environment, told.fileno())
            eventually(lambda: len(door.calls) >= 1)
            killed.kill()
            killed.wait()
            bench.send(*estimates(patient, total // 2, first=total // 2))
            process = Forked(["sink", "influx"], environment, told.fileno())
            eventually(lambda: bench.committed() == total)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
    summary = json.loads(log.read_text().strip().splitlines()[-1])
    assert summary["events"] <= total
    assert (summary["refused"], summary["outages"]) == (0, 0)
    rows = bench.rows("health", patient)
    assert [row["_time"] for row in rows] == [make.at(hour) for hour in range(total)]


def test_two_sinks_share_the_stream_and_a_stopped_one_leaves_it_to_the_other(bench: Bench, patient: str) -> None:
    patients = [f"{patient}-{number}" for number in range(8)]
    with running(bench) as first:
        bench.send(*(event for name in patients for event in estimates(name, 5)))
        eventually(lambda: first.summary()["events"] == 40)
        with running(bench):
            bench.send(*(event for name in patients for event in estimates(name, 5, first=5)))
            eventually(lambda: bench.committed() == 80)
        bench.send(*(event for name in patients for event in estimates(name, 5, first=10)))
        eventually(lambda: bench.committed() == 120)
    assert [len(bench.rows("health", name)) for name in patients] == [15] * len(patients)


def test_a_writer_without_a_server_says_unavailable() -> None:
    with (
        open_writer(Settings(url=f"http://127.0.0.1:{_free_port()}")) as writer,
        pytest.raises(Unavailable) as error,
    ):
        writer.write(["x v=1.0 1"])
    assert not isinstance(error.value, AccessDenied)


@pytest.mark.parametrize("change", [{"token": "wrong"}, {"org": "absent"}, {"bucket": "absent"}])
def test_a_writer_that_is_not_let_in_says_what_to_check(influx: Influx, change: dict[str, str]) -> None:
    known = {"url": influx.url, "token": influx.token, "org": influx.org, "bucket": influx.bucket}
    with (
        open_writer(Settings(**(known | change))) as writer,
        pytest.raises(AccessDenied, match=r"HTTP 40[134] .*check DOSETWIN_INFLUX_TOKEN, organisation '.*' and bucket"),
    ):
        writer.write(["x v=1.0 1"])


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
