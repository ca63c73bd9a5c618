"""The worker on a real broker: bad input gets a reason and harms nothing beside it; stopping is clean."""

from __future__ import annotations

import base64
import gc
import json
import signal
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from connectors.settings import Settings
from streams.commands.live.worker import run
from streams.worker.app import TwinApp, WorkerOptions, build_worker
from tests.streams.worker.fake_twin import MODEL, FakeTwins
from tests.streams.worker.stage import Stage, WorkerProcess, digest_of, enrolment, lab, pump
from twin.events import MAX_EVENT_BYTES, encode


@pytest.fixture
def stage(kafka: str) -> Iterator[Stage]:
    stage = Stage(kafka)
    yield stage
    stage.close()


@pytest.mark.slow
def test_what_a_worker_starts_with_is_no_work_for_the_garbage_collector(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class BuiltError(Exception):
        pass

    frozen: list[int] = []

    def build(*_: object, **__: object) -> None:
        frozen.append(gc.get_freeze_count())
        raise BuiltError

    monkeypatch.setattr("streams.worker.app.build_worker", build)
    monkeypatch.setattr("streams.terminal.signals.stop_at_signals", threading.Event)
    gc.unfreeze()  # as in a process of its own: here the run of tests has frozen what is imported
    before = gc.get_freeze_count()
    try:
        with pytest.raises(BuiltError):
            run(Settings(), WorkerOptions(), FakeTwins(), tmp_path)
    finally:
        gc.unfreeze()
    assert frozen[0] - before > 100_000, "modules alone are so many objects"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_signal_that_comes_while_a_worker_is_put_together_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_together = build_worker

    def build(*how: Any, **keys: Any) -> TwinApp:
        signal.raise_signal(signal.SIGTERM)
        return put_together(*how, **keys)

    monkeypatch.setattr("streams.worker.app.build_worker", build)
    monkeypatch.setattr("streams.terminal.signals.end_after_grace", lambda *_: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert run(Settings(kafka="127.0.0.1:1"), WorkerOptions(), FakeTwins(), tmp_path) == 0
    finally:
        gc.unfreeze()
        for number, handler in before.items():
            signal.signal(number, handler)


def test_every_bad_input_gets_its_reason_and_the_neighbours_are_unharmed(stage: Stage, tmp_path: Path) -> None:
    good = [enrolment("A"), enrolment("B"), *(lab("A", minute) for minute in range(5)), pump("A", 7), lab("B", 1)]
    calm = Stage(stage.bootstrap)
    calm.play(good)

    tomorrow = lab("A", 90).model_copy(update={"time": datetime.now(UTC) + timedelta(days=3), "event_id": "tomorrow"})
    nan = json.loads(encode(lab("A", 60)))
    nan["value"]["value"] = float("nan")
    huge = b'{"kind": "lab_result", "text": "' + b"x" * 2 * MAX_EVENT_BYTES + b'"}'
    stage.play(good[:3])
    stage.send("clinical.labs", "A", encode(lab("A", 50, unit="bananas")))
    stage.send("clinical.labs", "A", json.dumps(nan).encode())
    stage.send("clinical.labs", "A", b"{")
    stage.send("clinical.labs", "A", huge)
    stage.send("clinical.labs", "A", encode(good[2]))  # a duplicate: no dead letter
    stage.send("clinical.labs", "A", encode(lab("A", 0, value=1.0)))  # the same id, another content
    stage.send("clinical.labs", "A", encode(tomorrow))
    stage.send("iomt.pump", "A", encode(pump("A", 51, rate=-4.0)))
    stage.send("iomt.pump", "A", encode(pump("A", 52, drug="explosive")))
    stage.send("iomt.pump", "B", encode(pump("A", 53)))
    stage.send("iomt.pump", None, encode(pump("A", 54)))
    stage.producer.send(stage.prefix + "iomt.pump", key=b"A", value=None, partition=0)
    stage.send("twin.commands", "C", encode(enrolment("C", model="unheard_of")))
    stage.play(good[3:])

    with WorkerProcess(stage, tmp_path / "bad.log") as worker, WorkerProcess(calm, tmp_path / "good.log") as other:
        stage.wait_until_committed()
        calm.wait_until_committed()
        assert worker.stop() == 0
        assert other.stop() == 0

    letters = stage.rejected()
    assert sorted(letter.reason for letter in letters) == sorted(
        ["unknown_unit", "invalid_event", "malformed_json", "malformed_json", "too_large", "conflicting_duplicate",
         "far_future", "negative_amount", "internal_error", "wrong_key", "wrong_key", "unknown_model"]
    )  # fmt: skip
    by_reason = {letter.reason: letter for letter in letters}
    assert base64.b64decode(by_reason["too_large"].original_base64 or "") == huge
    assert by_reason["far_future"].event_id == "tomorrow"
    assert by_reason["unknown_unit"].topic == stage.prefix + "clinical.labs"
    assert all(letter.partition is not None and letter.offset is not None for letter in letters)
    rows, calm_rows = stage.rows(), calm.rows()
    assert {patient: digest_of(rows[patient]) for patient in "AB"} == {
        patient: digest_of(calm_rows[patient]) for patient in "AB"
    }
    calm.close()


def test_events_before_the_enrolment_count_once_it_comes(stage: Stage, tmp_path: Path) -> None:
    with WorkerProcess(stage, tmp_path / "log") as worker:
        stage.play([lab("A", 1), pump("A", 2)])
        stage.wait_until_committed()
        assert stage.rows()["A"].model_id == ""
        assert len(stage.rows()["A"].held) == 2
        stage.play([enrolment("A")])
        stage.wait_until_committed()
        assert worker.stop() == 0
    row = stage.rows()["A"]
    assert (row.model_id, row.held) == (MODEL, ())
    assert len(json.loads(row.twin)["history"]) == 3


def test_a_producer_with_another_partitioner_is_noticed(stage: Stage, kafka: str, tmp_path: Path) -> None:
    stage.play([enrolment("A")])
    (home,) = {record.partition for record in stage.records(stage.prefix + "twin.commands")}
    producer = KafkaProducer(bootstrap_servers=kafka)
    producer.send(stage.prefix + "clinical.labs", key=b"A", value=encode(lab("A", 1)), partition=1 - home)
    producer.close()
    with WorkerProcess(stage, tmp_path / "log") as worker:
        stage.wait_until_committed()
        assert worker.stop() == 0
    (letter,) = stage.rejected()
    assert letter.reason == "wrong_partition"
    assert "murmur2" in letter.detail


def test_sigterm_makes_everything_permanent_and_ends_well(stage: Stage, tmp_path: Path) -> None:
    with WorkerProcess(stage, tmp_path / "log", "--barrier-seconds", "1000") as worker:
        worker.wait_ready()
        stage.play([enrolment("A"), lab("A", 1, value=0.1), pump("A", 2)])
        while not stage.estimates():
            pass
        assert stage.lag() > 0
        assert worker.stop() == 0
    assert stage.lag() == 0
    assert len(json.loads(stage.rows()["A"].twin)["history"]) == 3
    assert stage.rows()["A"].outbox == ()
    assert [alert.phase for alert in stage.alerts()] == ["start"]


def test_the_log_names_no_patient_and_no_value(stage: Stage, tmp_path: Path) -> None:
    stage.play([enrolment("SECRET7"), lab("SECRET7", 1, value=3.14159), lab("SECRET7", 2, unit="bananas")])
    stage.send("clinical.labs", "SECRET7", b'{"patient_id": "SECRET7", "value": 3.14159')
    with WorkerProcess(stage, tmp_path / "log") as worker:
        stage.wait_until_committed()
        assert worker.stop() == 0
        text = worker.text()
    assert "reason=unknown_unit" in text
    assert "worker stopped" in text
    assert "SECRET7" not in text
    assert "3.14159" not in text


def test_metrics_are_served_on_localhost_without_patients(stage: Stage, tmp_path: Path) -> None:
    stage.play([enrolment("A"), lab("A", 1), lab("A", 2, unit="bananas")])
    with WorkerProcess(stage, tmp_path / "log", "--metrics-port", "0") as worker:
        stage.wait_until_committed()
        address = next(word for word in worker.text().split() if word.startswith("address=")).removeprefix("address=")
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address) as answer:
            text = answer.read().decode()
        for question in ("healthz", "readyz"):
            with urllib.request.urlopen(address.replace("metrics", question)) as answer:
                assert answer.status == 200
        assert worker.stop() == 0
    assert 'dosetwin_rejected_total{reason="unknown_unit"} 1.0' in text
    assert "dosetwin_latency_seconds_count 3.0" in text
    assert "dosetwin_ess_count 2.0" in text
    assert "patient" not in text.replace("dosetwin_patients", "").replace("Patients at", "")


def test_a_second_worker_of_one_name_is_refused_and_the_first_goes_on(stage: Stage, tmp_path: Path) -> None:
    with WorkerProcess(stage, tmp_path / "first") as first:
        first.wait_ready()
        with WorkerProcess(stage, tmp_path / "second") as second:
            assert second.process.wait(40) == 1
            assert "--instance one is that of another worker that runs" in second.text()
        stage.play([enrolment("A")])
        stage.wait_until_committed()
        assert first.stop() == 0


def test_a_worker_without_a_broker_says_so_and_ends(stage: Stage, tmp_path: Path) -> None:
    with WorkerProcess(stage, tmp_path / "log", "--kafka", "127.0.0.1:1") as worker:
        assert worker.process.wait(40) == 1
        assert "no Kafka answers at 127.0.0.1:1" in worker.text()
