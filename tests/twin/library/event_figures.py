"""What each event costs a twin of a library model: ``python -m tests.twin.library.event_figures MODEL [PARTICLES]``.

The model's first doses, each output measured when it is highest, and all that is told in between: processor time, after
the kernel was compiled.
"""

from __future__ import annotations

import sys
import time

from tests.twin.bedside import PATIENT
from tests.twin.library.test_library import doses_and_readings
from twin import PatientTwin
from twin.events import DoseGiven, LabResult
from twin.model.spec import Model
from twin.modelfile.library import load_model


def events(model: Model) -> list[DoseGiven | LabResult]:
    """Doses and readings of a patient, in their order."""
    doses, measured = doses_and_readings(model)
    return sorted([*doses, *measured], key=lambda event: event.time)


def main(name: str, particles: int) -> None:
    """Print what each event took, and how much was said of it."""
    told = events(load_model(name))
    twin = PatientTwin(PATIENT, load_model(name), particles=particles)
    for event in told:
        begun = time.process_time()
        update = twin.observe([event])
        spent = time.process_time() - begun
        what = event.analyte if isinstance(event, LabResult) else event.drug
        print(f"{event.time:%d %H:%M}  {what:24}{1e3 * spent:8.0f} ms  {len(update.outputs):3} outputs")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
