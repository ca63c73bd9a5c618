"""Memory of a worker's process with many twins: run as a process of its own, so that nothing else is counted."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

MIB = 1_048_576

WARM_UP = 30
"""Twins made before anything is measured: the allocator keeps some memory for what every twin needs for a moment."""


def resident(twins: int, particles: int) -> dict[str, float]:
    """MiB resident in a fresh process with a worker's libraries, of twins of two data each.

    ``empty`` without any, ``idle`` with so many that stand in their rows alone, ``with`` as many more in memory.
    """
    command = [sys.executable, "-P", "-m", "streams.bench.memory", str(twins), str(particles)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def fill(twins: int, particles: int) -> dict[str, float]:
    """Make the twins in this process and measure it."""
    import psutil

    import streams.worker.app
    from streams.bench.patients import newcomer
    from streams.worker.rows.state_row import StateRow, encode_row
    from streams.worker.rows.stored_rows import StoredRows
    from twin import PatientTwin, load_model

    assert streams.worker.app  # A worker has it in memory too.
    model = load_model("docetaxel_ozawa2007")
    process = psutil.Process()

    def mib() -> float:
        return round(process.memory_info().rss / MIB, 1)

    def one(patient_id: str, number: int) -> Any:
        if (number + 1) % 50 == 0:
            print(f"dosetwin: memory: {number + 1} of {twins} twins, {mib():.0f} MiB", file=sys.stderr, flush=True)
        told = newcomer(patient_id, 3.0 + 0.01 * (number % 300))
        return _with_two_data(PatientTwin(patient_id, model, particles), told)

    kept = []
    with tempfile.TemporaryDirectory(prefix="dosetwin-bench-") as folder:
        rows = StoredRows(Path(folder))
        for number in range(WARM_UP + twins):
            if number == WARM_UP:
                empty = mib()
            patient_id = f"IDLE-{number + 1}"
            twin = one(patient_id, number)
            row = StateRow(patient_id, model.id, model.hash, (), 0, twin.row(), (), (), False)
            rows.put(0, patient_id.encode(), encode_row(row))
        idle = mib()
        for number in range(twins):
            kept.append(one(f"MANY-{number + 1}", number))
            kept[-1].row()  # as a worker asks for it within seconds
        rows.close()
    return {"empty": empty, "idle": idle, "with": mib()}


def _with_two_data(twin: Any, observed: Any) -> Any:
    for event in observed:
        twin.observe([event])
    if twin.belief.observations != 2:
        raise RuntimeError(f"{twin.patient_id}: {twin.belief.observations} data were assimilated, not two")
    return twin


if __name__ == "__main__":
    print(json.dumps(fill(int(sys.argv[1]), int(sys.argv[2]))))
