"""The sink on a real Kafka and a real InfluxDB: nothing lost, nothing doubled, nothing that stops it."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaAdminClient, KafkaConsumer

from connectors.kafka.topics import ALERTS, ESTIMATES, PUMP, REJECTED, VITALS
from connectors.services import Influx
from connectors.sinks.influx import (
    GROUP,
    LONGEST_DELAY,
    InfluxSink,
    InfluxWriter,
    Refused,
    Unavailable,
    delays,
    open_sink,
    write_or_find,
)
from tests import factories as make
from tests.connectors.console.bench import PATIENCE, Bench, eventually, running
from twin.events import encode

# --- the parts --------------------------------------------------------------------------------------------------------


@given(st.lists(st.booleans(), max_size=60))
def test_halving_finds_every_refused_line_and_writes_every_other_in_order(refusals: list[bool]) -> None:
    written: list[int] = []

    def write(lines: Sequence[str]) -> None:
        if any(refusals[int(line)] for line in lines):
            raise Refused(lines[0])
        written.extend(map(int, lines))

    refused = write_or_find(write, [str(index) for index in range(len(refusals))]) if refusals else []
    assert refused == [(index, str(index)) for index, bad in enumerate(refusals) if bad]
    assert written == [index for index, bad in enumerate(refusals) if not bad]


def test_delays_double_up_to_a_cap_and_are_jittered_downwards() -> None:
    longest = list(islice(delays(lambda: 1.0), 9))
    assert longest == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert longest[-1] == LONGEST_DELAY
    assert list(islice(delays(lambda: 0.0), 9)) == [delay / 2 for delay in longest]


# --- on real servers --------------------------------------------------------------------------------------------------


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
    with running(bench.settings) as sink:
        eventually(lambda: sink.events == 10)
        eventually(lambda: bench.committed() == 10)
    assert len(bench.rows("estimate", patient)) == 10
    assert [len(bench.rows(name, patient)) for name in ("prediction", "nadir", "alert", "vital")] == [1, 1, 1, 1]
    assert [row["amount_mg"] for row in bench.rows("planned_dose", patient)] == [None, 96.0]
    assert sink.summary() == {"points": sink.points, "events": 10, "refused": 0, "outages": 0}
    assert sink.points == 5 * 7 + 1 + 7 + 1 + 1 + 2


def test_reading_the_stream_again_changes_nothing(bench: Bench, patient: str) -> None:
    bench.send(*estimates(patient, 4), make.alert(patient), make.forecast(patient), make.plan(patient))
    with running(bench.settings) as sink:
        eventually(lambda: sink.events == 7)
    before = [bench.rows(name, patient) for name in ("estimate", "alert", "forecast", "planned_dose")]
    admin = KafkaAdminClient(bootstrap_servers=bench.settings.kafka)
    admin.delete_groups([bench.settings.topic_prefix + GROUP])
    admin.close()
    with running(bench.settings) as again:
        eventually(lambda: again.events == 7)
    assert [bench.rows(name, patient) for name in ("estimate", "alert", "forecast", "planned_dose")] == before


def test_nothing_is_committed_before_it_is_written(bench: Bench, patient: str) -> None:
    bench.send(*estimates(patient, 3))
    committed_at_write = []

    with open_sink(bench.settings) as sink:
        written = sink._write

        def write(lines: Sequence[str]) -> None:
            committed_at_write.append(bench.committed())
            written(lines)
            committed_at_write.append(bench.committed())
            stop.set()

        stop = threading.Event()
        sink._write = write
        sink.run(stop)
    assert committed_at_write == [0, 0]
    assert bench.committed() == 3


def test_kafka_keeps_the_stream_while_influxdb_is_away(bench: Bench, patient: str) -> None:
    with Gate(bench.influx) as gate:
        bench.send(*estimates(patient, 6))
        with running(bench.settings.model_copy(update={"influx_url": gate.url})) as sink:
            eventually(lambda: sink.outages == 1)
            bench.send(*estimates(patient, 6, first=6))  # comes while it waits
            time.sleep(2.0)
            assert (sink.points, bench.committed(), bench.rows("estimate", patient)) == (0, 0, [])
            gate.open()
            eventually(lambda: bench.committed() == 12)
            assert len(bench.rows("estimate", patient)) == 24
            gate.shut()
            bench.send(*estimates(patient, 3, first=12))
            eventually(lambda: sink.outages == 2)
            gate.open()
            eventually(lambda: bench.committed() == 15)
    assert len(bench.rows("estimate", patient)) == 30
    assert sink.points == 15 * 7
    assert bench.dead_letters() == []


def test_a_waiting_sink_keeps_its_place_in_the_group(bench: Bench, patient: str) -> None:
    """It waits longer than a member may go without a poll; a lost place shows as partitions taken away."""
    bench.send(*estimates(patient, 2))
    consumer = KafkaConsumer(
        bootstrap_servers=bench.settings.kafka,
        group_id=bench.settings.topic_prefix + GROUP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_interval_ms=2_000,
        session_timeout_ms=6_000,
        heartbeat_interval_ms=200,
    )
    calls: list[float] = []

    def write(_: Sequence[str]) -> None:
        calls.append(time.monotonic())
        if calls[-1] - calls[0] < 6.0:
            raise Unavailable("away")

    sink = InfluxSink(consumer, write, lambda _key, _letter: None, prefix=bench.settings.topic_prefix)
    stop = threading.Event()
    thread = threading.Thread(target=sink.run, args=(stop,))
    thread.start()
    eventually(lambda: sink.events == 2)
    lost = sink._lost.take()
    stop.set()
    thread.join(PATIENCE)
    consumer.close()
    assert not lost
    assert sink.outages == 1
    assert bench.committed() == 2


@pytest.mark.parametrize("change", [{"influx_token": "wrong"}, {"influx_bucket": "absent"}])
def test_a_wrong_token_or_bucket_is_waited_for_and_not_blamed_on_the_events(
    bench: Bench, patient: str, change: dict[str, str]
) -> None:
    bench.send(*estimates(patient, 2))
    with running(bench.settings.model_copy(update=change)) as sink:
        eventually(lambda: sink.outages == 1)
        time.sleep(1.0)
        assert (sink.points, sink.refused, bench.committed()) == (0, 0, 0)
    assert bench.dead_letters() == []


def test_a_line_that_influxdb_refuses_is_put_aside_and_its_neighbours_are_written(bench: Bench, patient: str) -> None:
    beyond = datetime(2300, 1, 1, tzinfo=UTC)  # outside the years that InfluxDB can hold
    poison = make.estimate(patient, beyond)
    bench.send(*estimates(patient, 5), poison, *estimates(patient, 5, first=5))
    with running(bench.settings) as sink:
        eventually(lambda: bench.committed() == 12)  # with the dead letter itself, which is drawn too
    assert len(bench.rows("estimate", patient)) == 20
    (letter,) = bench.dead_letters()
    assert letter.reason == "influx_refused"
    assert "out of range" in letter.detail
    assert (letter.patient_id, letter.event_id) == (patient, poison.event_id)
    assert (letter.topic, letter.offset) == (bench.topic(ESTIMATES), 5)
    assert base64.b64decode(letter.original_base64 or "") == encode(poison)
    assert [row["reason"] for row in bench.rows("rejected", bench.topic(ESTIMATES))] == ["influx_refused"]
    assert (sink.refused, sink.points) == (1, 10 * 7 + 1)


def test_a_field_of_another_type_is_put_aside_too(bench: Bench, patient: str) -> None:
    writer = InfluxWriter(bench.influx.url, bench.influx.token, bench.influx.org, bench.influx.bucket)
    writer([f'health,patient={patient},model={make.MODEL} ess="many" {int(make.START.timestamp())}000000000'])
    writer.close()
    bench.send(make.estimate(patient), make.prediction(patient))
    with running(bench.settings) as sink:
        eventually(lambda: bench.committed() == 3)
    (letter,) = bench.dead_letters()
    assert (letter.reason, "field type conflict" in letter.detail) == ("influx_refused", True)
    assert len(bench.rows("estimate", patient)) == 2
    assert sink.refused == 1


def test_what_is_no_output_event_is_put_aside_once(bench: Bench, patient: str) -> None:
    bench.send_bytes(ESTIMATES, b'{"kind": "estimate", "patient_id": "' + patient.encode() + b'"}')
    bench.send_bytes(ALERTS, b"\xff not json")
    bench.send_bytes(VITALS, b"an input: the worker tells")
    bench.send_bytes(REJECTED, b"not even a dead letter")
    bench.send(make.estimate(patient))
    with running(bench.settings) as sink:
        eventually(lambda: bench.committed() == 7)
    letters = [(letter.reason, letter.topic, letter.patient_id) for letter in bench.dead_letters()]
    assert sorted(letters, key=str) == [
        ("bad_output", bench.topic(ALERTS), None),
        ("bad_output", bench.topic(ESTIMATES), patient),
    ]
    assert sink.refused == 3
    assert len(bench.rows("estimate", patient)) == 2


def test_dead_letters_of_the_worker_are_drawn(bench: Bench, patient: str) -> None:
    source = f"{PUMP}.{patient}"
    bench.send(*(make.rejected(patient, offset=offset, topic=source) for offset in (1, 2, 3)))
    with running(bench.settings) as sink:
        eventually(lambda: sink.events == 3)
    assert [row["position"] for row in bench.rows("rejected", source)] == [f"{source}/1/{n}" for n in (1, 2, 3)]


def test_killed_in_mid_stream_it_loses_nothing_and_doubles_nothing(bench: Bench, patient: str) -> None:
    total = 600
    bench.send(*estimates(patient, total // 2))
    with Gate(bench.influx) as gate:
        gate.open()
        environment = os.environ | {
            "DOSETWIN_KAFKA": bench.settings.kafka,
            "DOSETWIN_TOPIC_PREFIX": bench.settings.topic_prefix,
            "DOSETWIN_PARTITIONS": "2",
            "DOSETWIN_INFLUX_URL": gate.url,
            "DOSETWIN_INFLUX_TOKEN": bench.influx.token,
            "DOSETWIN_INFLUX_ORG": bench.influx.org,
            "DOSETWIN_INFLUX_BUCKET": bench.influx.bucket,
        }
        command = [sys.executable, "-c", "from streams.cli import main; main()", "sink", "influx"]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        eventually(lambda: gate.calls >= 1)
        process.kill()
        process.communicate()
        bench.send(*estimates(patient, total // 2, first=total // 2))
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        eventually(lambda: bench.committed() == total)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    summary = json.loads(said.strip().splitlines()[-1])
    assert summary["events"] <= total
    assert (summary["refused"], summary["outages"]) == (0, 0)
    rows = bench.rows("health", patient)
    assert [row["_time"] for row in rows] == [make.at(hour) for hour in range(total)]


def test_two_sinks_share_the_stream_and_a_stopped_one_leaves_it_to_the_other(bench: Bench, patient: str) -> None:
    patients = [f"{patient}-{number}" for number in range(8)]
    with running(bench.settings) as first:
        bench.send(*(event for name in patients for event in estimates(name, 5)))
        eventually(lambda: first.events == 40)
        with running(bench.settings):
            bench.send(*(event for name in patients for event in estimates(name, 5, first=5)))
            eventually(lambda: bench.committed() == 80)
        bench.send(*(event for name in patients for event in estimates(name, 5, first=10)))
        eventually(lambda: bench.committed() == 120)
    assert [len(bench.rows("health", name)) for name in patients] == [15] * len(patients)


def test_a_writer_without_a_server_says_unavailable(influx: Influx) -> None:
    writer = InfluxWriter(f"http://127.0.0.1:{_free_port()}", influx.token, influx.org, influx.bucket)
    with pytest.raises(Unavailable):
        writer(["x v=1.0 1"])
    writer.close()


class Gate:
    """A door before InfluxDB on an address of its own: shut, it answers 503; open, it passes calls on."""

    def __init__(self, influx: Influx) -> None:
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        gate = self
        self.calls = 0
        self._open = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                import http.client

                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not gate._open.is_set():
                    self.send_error(503)
                    return
                gate.calls += 1
                address = influx.url.removeprefix("http://")
                connection = http.client.HTTPConnection(address, timeout=10)
                connection.request("POST", self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Gate:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def open(self) -> None:
        self._open.set()

    def shut(self) -> None:
        self._open.clear()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
