"""A worker with very many enrolled, mostly idle patients: ``python -m tests.enrolled [--rows BYTES] [PATIENTS ...]``.

For each number of patients a real worker process starts on a real broker whose changelog holds a row of every patient;
then one in a hundred is told of. Printed are what it cost, and with which power of the number each figure grows: none
may grow faster than linearly (1.0). Twins are the tests' cheap ones, padded to ``--rows`` bytes: what is measured is
the worker around them. Times are processor seconds of the worker, which other programs on the machine hardly change.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import psutil
from aiokafka import AIOKafkaProducer

from connectors.kafka.topics import home_partition
from connectors.services import LocalServices
from connectors.services.ports import free_ports
from streams.worker.engine import KafkaRecord
from streams.worker.processor import EventProcessor
from streams.worker.records.received import ReceivedEvent
from streams.worker.rows.changelog import changelog_of
from streams.worker.rows.state_row import StateRow, decode_row, encode_row
from tests.places import ROOT
from tests.streams.worker.fake_twin import FakeTwins
from tests.streams.worker.stage import FAKE_TWINS, START, Stage, enrolment, lab
from twin.events import encode, to_millis

PATIENCE = 900.0
"""Seconds that a step may take."""

TOLD = 100
"""One patient in so many is told of."""

RESTING = 10.0
"""Seconds for which the worker is watched when nothing is left to do."""

BATCH_BYTES = 900_000
"""Bytes of rows that are sent at a time."""

STEEPEST = 1.15
"""Power of the number of patients with which a figure may be seen to grow: linear, and what measuring adds."""


def figures(kafka: str, patients: int, row_bytes: int, folder: Path) -> dict[str, float]:
    """What so many enrolled patients cost one worker.

    Returns:
        ``start_s``, processor seconds from the start of the process until it is ready; ``memory_mib`` then and
        ``memory_told_mib`` after one in `TOLD` was told of; ``told_s``, processor seconds for that with its barriers;
        ``resting_s``, those of the next `RESTING` seconds, in which nobody is told of; ``row_bytes``, those written for
        each patient told of.
    """
    stage = Stage(kafka, partitions=4)
    names = [f"P-{number:07d}" for number in range(patients)]
    asyncio.run(_enrol(stage, names, row_bytes))
    (port,) = free_ports(1)
    with (folder / f"{patients}.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-c", "from streams.cli import main; main()", "worker", "--twins", FAKE_TWINS,
             "--barrier-seconds", "2", "--metrics-port", str(port), "--datadir", str(folder / str(patients))],
            cwd=ROOT, stderr=log, stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT), "DOSETWIN_KAFKA": kafka, "DOSETWIN_TOPIC_PREFIX": stage.prefix,
                 "DOSETWIN_PARTITIONS": str(stage.partitions)},
        )  # fmt: skip
        try:
            process = psutil.Process(worker.pid)
            _until(lambda: _answers(port, "/readyz") is not None, worker)
            began, memory = _spent(process), process.memory_info().rss
            stage.play(lab(name, 1) for name in names[::TOLD])
            stage.wait_until_committed(PATIENCE)
            told = _spent(process) - began
            time.sleep(RESTING)
            page = _metrics(_answers(port, "/metrics") or "")
            return {
                "start_s": round(began, 2),
                "memory_mib": round(memory / 2**20, 1),
                "memory_told_mib": round(process.memory_info().rss / 2**20, 1),
                "told_s": round(told, 2),
                "resting_s": round(_spent(process) - began - told, 2),
                "row_bytes": round(page["dosetwin_state_row_bytes_total"] / page["dosetwin_state_rows_total"]),
            }
        finally:
            worker.kill()
            worker.wait()
            stage.close()


async def _enrol(stage: Stage, names: Sequence[str], row_bytes: int) -> None:
    """Write the rows as a worker would have."""
    processor, first = EventProcessor(FakeTwins()), names[0]
    event, state = enrolment(first), processor.open(first, None)
    processor.handle(state, [ReceivedEvent(event, KafkaRecord("t", 0, 0, to_millis(START), None, encode(event)))])
    state.applied.clear()
    row = decode_row(processor.row(state))
    known = {field: getattr(row, field) for field in row.__struct_fields__}
    rows: defaultdict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
    for name in names:
        twin = row.twin.replace(first.encode(), name.encode()).ljust(row_bytes)
        padded = encode_row(StateRow(**(known | {"patient_id": name, "twin": twin})))
        rows[home_partition(name.encode(), stage.partitions)].append((name.encode(), padded))
    changelog = changelog_of(stage.settings)
    async with AIOKafkaProducer(bootstrap_servers=stage.bootstrap, max_batch_size=BATCH_BYTES) as producer:
        for number, keyed in rows.items():
            batch = producer.create_batch()
            for key, value in keyed:
                if batch.append(key=key, value=value, timestamp=None) is None:
                    await (await producer.send_batch(batch, changelog, partition=number))
                    batch = producer.create_batch()
                    batch.append(key=key, value=value, timestamp=None)
            await (await producer.send_batch(batch, changelog, partition=number))


def growth(few: float, many: float, factor: float) -> float:
    """The power of the number of patients with which a figure grew when there were ``factor`` times as many.

    >>> growth(2.0, 20.0, 10.0)
    1.0
    """
    return round(math.log(max(many, 1e-9) / max(few, 1e-9)) / math.log(factor), 2)


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _answers(port: int, path: str) -> str | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


def _metrics(page: str) -> dict[str, float]:
    pairs = (line.rsplit(" ", 1) for line in page.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def _until(condition: object, worker: subprocess.Popen[bytes]) -> None:
    assert callable(condition)
    until = time.monotonic() + PATIENCE
    while not condition():
        if worker.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"the worker is not ready (exit code {worker.poll()})")
        time.sleep(0.1)


def main() -> int:
    """Measure, print JSON, and exit with 1 where a figure grows faster than linearly."""
    parser = argparse.ArgumentParser(description="What enrolled, mostly idle patients cost a worker.")
    parser.add_argument("patients", nargs="*", type=int, default=[10_000, 30_000, 100_000])
    parser.add_argument("--rows", type=int, default=2_000, help="bytes of a twin in its row")
    options = parser.parse_args()
    found: dict[int, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, LocalServices(Path(folder) / "servers", ephemeral=True) as servers:
        for number in options.patients:
            found[number] = figures(servers.start_kafka(), number, options.rows, Path(folder))
            print(json.dumps({"patients": number, **found[number]}), flush=True)
    few, many = min(found), max(found)
    powers = {name: growth(found[few][name], found[many][name], many / few) for name in found[few] if many > few}
    print(json.dumps({"grows with the power": powers}))
    return 1 if any(power > STEEPEST for power in powers.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
