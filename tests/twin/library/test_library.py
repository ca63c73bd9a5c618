"""Every model of the library can be lived with: a patient is dosed, measured, learnt from and looked ahead."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from tests.twin.bedside import PATIENT, START, clock
from tests.twin.equations import dose_of, timeline_of
from twin import PatientTwin
from twin.clock import HOUR_MS, UNIT_MS
from twin.events import DoseGiven, Estimate, Forecast, LabResult, Prediction, Quantity, from_millis, to_millis
from twin.kernel.kernel import compile_model
from twin.model.spec import Model, OutputSpec
from twin.modelfile.library import library_ids, load_model
from twin.record.facts import ClinicalEvent
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.delivery import delivered

DOSES = 3
"""Cycles given of each regimen."""

LOOKS = 24
"""Instants before a third of the horizon at which an output may be at its highest."""


def first_doses(model: Model) -> list[DoseGiven]:
    return [dose_of(regimen, model, i) for regimen in model.regimens for i in range(min(DOSES, regimen.cycles))]


def readings(model: Model, doses: list[DoseGiven]) -> list[tuple[int, OutputSpec, float]]:
    """For each output when (ms) it is highest in the typical patient, and a value a fifth above what it is there.

    A count is a whole number, a grade is 1 and an event has not happened yet.
    """
    kernel = compile_model(model)
    facts: list[tuple[int, ClinicalEvent]] = [(to_millis(dose.time), dose) for dose in doses]
    facts.sort(key=lambda fact: fact[0])
    timeline = timeline_of(kernel, {drug: delivered(drug, facts, {}) for drug in model.drugs})
    span = round(model.cadence.horizon * UNIT_MS[model.time_unit] / 3)
    marks = np.linspace(span // LOOKS, span, LOOKS).astype(np.int64)
    solver = Solver(kernel, np.zeros((1, len(model.effect_names))), step_sizes_for(kernel), shared=False)
    _, out = solver.advance(solver.initial(timeline), timeline, span, marks)
    found = []
    for i, output in enumerate(model.outputs):
        at = int(np.argmax(out[:, i, 0]))
        higher = 1.2 * float(out[at, i, 0])
        value = {"ordinal": 1.0, "event": 0.0, "count": float(round(higher))}.get(output.kind, higher)
        found.append((int(marks[at]), output, value))
    return sorted(found, key=lambda reading: reading[0])


def doses_and_readings(model: Model) -> tuple[list[DoseGiven], list[LabResult]]:
    """The first doses of a patient from `START` on, and a reading of each output after them."""
    doses = first_doses(model)
    shift = to_millis(START)
    moved = [dose.model_copy(update={"time": from_millis(to_millis(dose.time) + shift)}) for dose in doses]
    measured = [
        LabResult(
            event_id=f"{output.name} {millis}",
            patient_id=PATIENT,
            time=from_millis(millis + shift),
            source="a laboratory",
            analyte=output.name,
            value=Quantity(value=value, unit=output.unit),
        )
        for millis, output, value in readings(model, doses)
    ]
    return moved, measured


@pytest.mark.parametrize("model_id", library_ids())
@pytest.mark.slow
def test_a_patient_is_dosed_measured_learnt_from_and_looked_ahead(model_id: str) -> None:
    model = load_model(model_id)
    moved, measured = doses_and_readings(model)
    last = (to_millis(measured[-1].time) - to_millis(START)) / HOUR_MS
    twin = PatientTwin(PATIENT, model, particles=60)
    before = twin.belief
    events = [*(dose for dose in moved if dose.time <= measured[-1].time), *measured, clock(last + 1)]
    update = twin.observe(events)
    assert update.rejected == ()
    estimates = [output for output in update.outputs if isinstance(output, Estimate)]
    forecasts = [output for output in update.outputs if isinstance(output, Forecast)]
    expected = [output.output for output in update.outputs if isinstance(output, Prediction)]
    assert sorted(expected) == sorted(output.name for output in model.outputs)
    assert twin.belief.observations == len(model.outputs)
    if model.eta_names:
        learnt = np.ptp(twin.belief.log_weight) > 0.01 or not np.array_equal(twin.belief.eta, before.eta)
        assert learnt
    estimate, forecast = estimates[-1], forecasts[-1]
    assert estimate.ess > 1
    assert math.isfinite(estimate.log_evidence)
    assert all(math.isfinite(band.median) for band in itertools.chain(estimate.outputs, estimate.parameters))
    assert {band.name for band in forecast.outputs} == {output.name for output in model.outputs}
    assert all(np.isfinite([band.q05, band.median, band.q95]).all() for band in forecast.outputs)
