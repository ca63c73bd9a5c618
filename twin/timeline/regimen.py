"""A model's own regimens as doses, and the timeline of a patient who gets them as written."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from twin.clock import DAY_MS, HOUR_MS, UNIT_MS
from twin.events import DoseGiven, Quantity, from_millis, to_millis
from twin.kernel.kernel import Kernel
from twin.model.spec import Model, RegimenSpec
from twin.record.history import History
from twin.record.limits import amount_of
from twin.timeline.timeline import Timeline, assemble, build
from twin.units import AMOUNT_UNIT

ORIGIN = to_millis(datetime(2026, 1, 5, 8, tzinfo=UTC))
"""The moment of the first dose: eight in the morning."""


def treatment(model: Model, patient_id: str, days: float) -> tuple[DoseGiven, ...]:
    """The doses of the model's regimens that begin within ``days`` from `ORIGIN`, in time order."""
    end = ORIGIN + days * DAY_MS
    doses = [
        DoseGiven(
            event_id=f"{regimen.drug} {number} {cycle}",
            patient_id=patient_id,
            time=from_millis(millis),
            source="regimen",
            drug=regimen.drug,
            route=regimen.route,
            amount=Quantity(value=amount_of(regimen, model), unit=AMOUNT_UNIT),
            duration=Quantity(value=regimen.duration * UNIT_MS[model.time_unit] / HOUR_MS, unit="h")
            if regimen.duration
            else None,
            state=regimen.state,
        )
        for number, regimen in enumerate(model.regimens)
        for cycle in range(regimen.cycles)
        if (millis := _begins(regimen, cycle, model)) < end
    ]
    return tuple(sorted(doses, key=lambda dose: (dose.time, dose.event_id)))


def treated(kernel: Kernel, doses: tuple[DoseGiven, ...]) -> Timeline:
    """The timeline of these doses alone; it begins at `ORIGIN` also where there is none."""
    history = History()
    for dose in doses:
        history.insert(dose)
    found = build(history, kernel)
    if found is None:
        reference = np.array([[c.reference for c in kernel.model.covariates]])
        epoch = np.array([np.iinfo(np.int64).min])
        found = assemble(kernel, ORIGIN, {}, (), epoch, reference)
    return found


def _begins(regimen: RegimenSpec, cycle: int, model: Model) -> int:
    return ORIGIN + round((regimen.start + cycle * regimen.interval) * UNIT_MS[model.time_unit])
