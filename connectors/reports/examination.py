"""The page of a model held against a set of patients, and its figures as a record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from connectors.reports.fits import check_drawing, goodness_drawing, individual_drawing, shown
from connectors.reports.pages import page
from connectors.reports.uniform import uniform_drawing
from twin.arrays import Floats
from twin.model.spec import Model
from twin.population.diagnostics.vpc import PredictiveCheck, predictive_check
from twin.study.calibration import FALSE_ALARM, Uniform
from twin.study.examination import Examined
from twin.study.measures import Description, describe
from twin.study.uniformity import p_value

MOST_FITS = 60
"""Patients whose fits are drawn, evenly chosen; the figures are of all."""

SETS = 500
"""Simulated sets of a predictive check."""


def examination_page(model: Model, patients: Sequence[Examined], particles: int, files: str, left_out: int) -> str:
    """Everything about a model beside these patients, of whom there is at least one.

    Args:
        files: what the patients were read from, as it is to be shown.
        left_out: lines, events and patients that could not be used.
    """
    sections = []
    for number, output in enumerate(model.outputs):
        of_value = _of_output(patients, number)
        if not len(of_value["dv"]):
            continue
        pit = of_value["pit"]
        uniform = Uniform(output.name, tuple(pit.tolist()), p_value(pit))
        having = [one for one in patients if any(curve.output == number for curve in one.curves)]
        chosen = [having[i] for i in np.unique(np.linspace(0, len(having) - 1, MOST_FITS).astype(int))]
        sections.append(
            {
                "output": output,
                "having": len(having),
                "goodness": goodness_drawing(output.name, output.unit, model.time_unit, of_value),
                "pit": uniform_drawing([uniform], FALSE_ALARM, "PIT, one step ahead"),
                "check": check_drawing(output.name, output.unit, model.time_unit, _check(of_value, patients, number)),
                "fits": individual_drawing(model, chosen, number),
                "fitted": len(chosen),
            }
        )
    return page(
        "examination.html",
        model=model,
        patients=patients,
        particles=particles,
        files=files,
        left_out=left_out,
        values=sum(len(one.predictions) for one in patients),
        descriptions=descriptions(model, patients),
        sections=sections,
    )


def descriptions(model: Model, patients: Sequence[Examined]) -> tuple[Description, ...]:
    """The figures of each output that was measured."""
    return describe(patients, [(output.name, output.unit) for output in model.outputs])


def examination_record(model: Model, patients: Sequence[Examined]) -> dict[str, Any]:
    """The figures, and every value with what was expected of it, ready for JSON (what is not a number is null)."""
    return {
        "model": model.id,
        "model_hash": model.hash,
        "time_unit": model.time_unit,
        "outputs": [
            {
                "output": one.output,
                "unit": one.unit,
                "patients": one.patients,
                "values": one.values,
                "measures": {m.name: {"value": _n(m.value), "90 %": [_n(m.low), _n(m.high)]} for m in one.measures},
            }
            for one in descriptions(model, patients)
        ],
        "patients": [_patient_record(model, one) for one in patients],
    }


def _patient_record(model: Model, one: Examined) -> dict[str, Any]:
    d = one.diagnosis
    rows = zip(d.observations, one.times, d.population, d.individual, d.iwres, d.npde, one.predictions, strict=True)
    return {
        "id": one.patient_id,
        "mode_converged": one.converged,
        "values": [
            {
                "output": model.outputs[o.output].name,
                "time": _n(time),
                "dv": _n(o.value),
                "below": o.below,
                "above": o.above,
                "pred": _n(pred),
                "ipred": _n(ipred),
                "iwres": _n(iwres),
                "npde": _n(npde),
                "one_step": {"q05": said.q05, "median": said.median, "q95": said.q95, "pit": said.pit},
            }
            for o, time, pred, ipred, iwres, npde, said in rows
        ],
    }


def _n(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _of_output(patients: Sequence[Examined], number: int) -> dict[str, Floats]:
    """Arrays over all patients' values of one output."""
    columns: dict[str, list[float]] = {k: [] for k in ("dv", "pred", "ipred", "iwres", "npde", "time", "pit")}
    for one in patients:
        d = one.diagnosis
        for i, o in enumerate(d.observations):
            if o.output == number:
                row = (shown(o), d.population[i], d.individual[i], d.iwres[i], d.npde[i])
                for key, value in zip(columns, (*row, one.times[i], one.predictions[i].pit), strict=True):
                    columns[key].append(float(value))
    return {key: np.array(values) for key, values in columns.items()}


def _check(of_value: dict[str, Floats], patients: Sequence[Examined], number: int) -> PredictiveCheck:
    simulated = []
    for one in patients:
        mine = [i for i, o in enumerate(one.diagnosis.observations) if o.output == number]
        simulated.append(one.diagnosis.simulated[:SETS, mine])
    return predictive_check(of_value["time"], of_value["dv"], of_value["pred"], np.concatenate(simulated, axis=1))
