"""How fast a worker is back: after a crash with the rows of many twins, and by handing over to another that runs.

Real workers in processes of their own on one broker. Rows are written straight into the changelog, as a worker would
have left them: a few twins are folded, and their rows stand there under many names, so that making them takes seconds.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import psutil

from connectors.kafka.clients import open_producer
from connectors.kafka.topics import ensure_topics, home_partition, topic_of
from connectors.settings import Settings
from streams.bench.patients import newcomer, reading
from streams.bench.stream import HOLDS, _handled, _metrics, _Process, _process
from streams.worker.rows.changelog import changelog_of, ensure_changelog
from streams.worker.rows.state_row import StateRow, encode_row, of_term
from twin import PatientTwin, load_model
from twin.events import encode, to_millis
from twin.model.spec import Model
from twin.patient.state_row import unpack

FOLDED = 4
"""Twins that are really folded; the rows of all are made from theirs."""

PARTITIONS = 4

READY = "worker ready"


def back_again(
    bootstrap: str, model_id: str, twins: int, particles: int, say: Callable[[str], object] = lambda _: None
) -> dict[str, Any]:
    """``crash_recovery_s`` and ``hand_over_s``, each with the seconds of the clock and of the processor.

    The first is from the start of the process that takes the place of a killed one, until a reading of every patient,
    which came meanwhile, is in its twin. The second is from SIGTERM to one of two workers until the other has taken
    over all its partitions and its rows.

    Raises:
        streams.bench.stream.BenchmarkFailed: a worker ended, or did not come so far in time.
    """
    settings = Settings(kafka=bootstrap, topic_prefix=f"bench-{uuid.uuid4().hex[:8]}.", partitions=PARTITIONS)
    ensure_topics(bootstrap, settings.topic_prefix, PARTITIONS)
    ensure_changelog(settings)
    say(f"rows of {twins} twins")
    patients = list(_write_rows(settings, load_model(model_id), twins, particles))
    environment = {
        **os.environ,
        "DOSETWIN_KAFKA": bootstrap,
        "DOSETWIN_TOPIC_PREFIX": settings.topic_prefix,
        "DOSETWIN_PARTITIONS": str(PARTITIONS),
        "DOSETWIN_READY": model_id,
        "DOSETWIN_PARTICLES": str(particles),
    }
    command = ["-c", "from streams.cli import main; main()", "worker", "--metrics-port", "0"]
    named = [*command, "--instance", "bench"]
    say("a worker that is killed")
    with _process(named, environment) as process:
        process.wait_until(lambda: READY in process.said())
        process.handle.kill()
    _send_readings(settings, patients)
    began = time.monotonic()
    with _process(named, environment) as stays:
        address = stays.metrics_address()
        stays.wait_until(lambda: _handled(_metrics(address)) >= twins)
        crash = {"clock": round(time.monotonic() - began, 1), "processor": _processor(stays)}
        say("a worker that hands over")
        with _process(command, environment) as leaves:  # without a name: one with a name is waited for
            beside, half = leaves.metrics_address(), PARTITIONS / 2
            stays.wait_until(
                lambda: _holds(address) == half == _holds(beside) and READY in leaves.said(), beside=[leaves]
            )
            spent, began = _processor(stays), time.monotonic()
            leaves.handle.send_signal(signal.SIGTERM)
            stays.wait_until(lambda: _holds(address) == PARTITIONS, beside=[leaves])
            handed = {"clock": round(time.monotonic() - began, 1), "processor": round(_processor(stays) - spent, 1)}
    return {"crash_recovery_s": crash, "hand_over_s": handed}


def _write_rows(settings: Settings, model: Model, twins: int, particles: int) -> Iterator[str]:
    """Rows of so many twins in the changelog; their patients."""
    folded = []
    for number in range(FOLDED):
        twin = PatientTwin(f"BENCH-{number}", model, particles)
        told = newcomer(twin.patient_id, 3.0 + 0.1 * number)
        twin.observe(told)
        folded.append((unpack(twin.row(), model.hash), to_millis(told[-1].time)))
    producer = open_producer(settings.kafka, linger_ms=5)
    for number in range(twins):
        patient_id = f"BENCH-{number}"
        row, latest = folded[number % FOLDED]
        twin_row = msgspec.msgpack.encode(msgspec.structs.replace(row, patient_id=patient_id))
        state = StateRow(patient_id, model.id, model.hash, (), latest, twin_row, (), (), False)
        producer.send(
            changelog_of(settings),
            key=patient_id.encode(),
            value=of_term(encode_row(state), 1),
            partition=home_partition(patient_id.encode(), settings.partitions),
        )
        yield patient_id
    producer.flush()
    producer.close()


def _send_readings(settings: Settings, patients: list[str]) -> None:
    producer = open_producer(settings.kafka, linger_ms=5)
    for patient_id in patients:
        event = reading(patient_id, hours=8.5)
        producer.send(topic_of(event, settings.topic_prefix), key=patient_id.encode(), value=encode(event))
    producer.flush()
    producer.close()


def _holds(address: str) -> float:
    """Partitions that a worker holds, by its metrics: its log leaves out what it has said a few times a minute."""
    try:
        return _metrics(address)[HOLDS]
    except OSError:  # it begins anew
        return 0.0


def _processor(process: _Process) -> float:
    spent = psutil.Process(process.handle.pid).cpu_times()
    return round(spent.user + spent.system, 1)
