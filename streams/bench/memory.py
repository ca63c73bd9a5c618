"""Memory of a worker's process with many twins: run as a process of its own, so that nothing else is counted."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

MIB = 1_048_576


def resident(twins: int, particles: int) -> dict[str, float]:
    """MiB resident in a fresh process with a worker's libraries: without twins, and with so many, two data each."""
    command = [sys.executable, "-P", "-m", "streams.bench.memory", str(twins), str(particles)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def fill(twins: int, particles: int) -> dict[str, float]:
    """Make the twins in this process and measure it."""
    import psutil

    import streams.worker.app
    from streams.bench.patients import newcomer
    from twin import PatientTwin, load_model

    assert streams.worker.app  # A worker has it in memory too.
    model = load_model("docetaxel_ozawa2007")
    process = psutil.Process()

    def mib() -> float:
        return round(process.memory_info().rss / MIB, 1)

    kept: list[Any] = [_with_two_data(PatientTwin("WARM-UP", model, particles), newcomer("WARM-UP", 4.0))]
    empty = mib()
    for number in range(twins):
        patient_id = f"MANY-{number + 1}"
        baseline = 3.0 + 0.01 * (number % 300)
        kept.append(_with_two_data(PatientTwin(patient_id, model, particles), newcomer(patient_id, baseline)))
        if (number + 1) % 50 == 0:
            print(f"dosetwin: memory: {number + 1} of {twins} twins, {mib():.0f} MiB", file=sys.stderr, flush=True)
    return {"without": empty, "with": mib()}


def _with_two_data(twin: Any, observed: Any) -> Any:
    for event in observed:
        twin.observe([event])
    if twin.belief.observations != 2:
        raise RuntimeError(f"{twin.patient_id}: {twin.belief.observations} data were assimilated, not two")
    return twin


if __name__ == "__main__":
    print(json.dumps(fill(int(sys.argv[1]), int(sys.argv[2]))))
