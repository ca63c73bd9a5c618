"""Memory of twins: of a worker's process with many newcomers, and of one twin after weeks of a ward's data.

The process is one of its own, so that nothing else is counted.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import tracemalloc
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


def mature(twins: int, particles: int, cycles: int) -> dict[str, float]:
    """``mature_twin_kib``: what is given back when a twin at rest, whose row was just written, is let go.

    Mean of ``twins`` patients of the ward after so many cycles of three weeks (pump, wearable, doses, levels and
    counts), told a day at a time.
    """
    from streams.bench.patients import course
    from streams.bench.twin import days
    from twin import PatientTwin, load_model

    model = load_model("docetaxel_ozawa2007")
    kept: list[PatientTwin] = []
    tracemalloc.start()
    for seed in range(twins):
        patient = course(model, seed, cycles, 1)
        kept.append(PatientTwin(patient.patient_id, model, particles))
        for day in days(patient.history):
            kept[-1].observe(day)
        kept[-1].row()
        del patient, day
    with_twins = _traced()
    kept.clear()
    held = with_twins - _traced()
    tracemalloc.stop()
    return {"mature_twin_kib": round(held / 1024 / twins, 1)}


def _traced() -> int:
    """Bytes that Python and NumPy hold."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


if __name__ == "__main__":
    print(json.dumps(fill(int(sys.argv[1]), int(sys.argv[2]))))
