"""The truth of a simulated ward, a line a patient: who it is, what happened and when, and the true course."""

from __future__ import annotations

from typing import Any

import numpy as np

from connectors.feeds.ward.patients import GRID_MS, WardPatient
from connectors.feeds.ward.pump import Infusion
from twin.events import from_millis


def truth_record(patient: WardPatient) -> dict[str, Any]:
    """A patient as a line of the truth file: who it is, what happened and when, and the true course."""
    regular = np.searchsorted(patient.grid, np.arange(patient.admitted, patient.discharged + 1, GRID_MS))
    outputs = {name: [float(f"{v:.6g}") for v in values[regular]] for name, values in patient.truth.items()}
    units = {o.name: o.unit for o in patient.model.outputs} | {
        t.state: t.unit for t in patient.model.targets if t.state is not None
    }
    return {
        "patient_id": patient.id,
        "model": patient.model.id,
        "model_hash": patient.model.hash,
        "eta": patient.eta,
        "covariates": patient.covariates,
        **({} if patient.of_class is None else {"class": patient.of_class}),
        "parameters": patient.values,
        "admitted": _stamp(patient.admitted),
        "discharged": _stamp(patient.discharged),
        "infusions": [_infusion_record(infusion) for infusion in patient.infusions],
        "sensor_gaps": [{"from": _stamp(a), "until": _stamp(b), "stored": s} for a, b, s in patient.sensor_gaps],
        "clock_off": None if patient.clock_off is None else _clock_record(*patient.clock_off),
        "units": units,
        "start": _stamp(int(patient.grid[regular[0]])),
        "every_seconds": GRID_MS // 1000,
        "outputs": outputs,
    }


def _infusion_record(infusion: Infusion) -> dict[str, Any]:
    happened = infusion.happened
    return {
        "drug": infusion.drug,
        "scenario": infusion.scenario,
        "happened": None if happened is None else [_stamp(happened[0]), _stamp(happened[1])],
        "planned_start": _stamp(infusion.planned),
        "planned_mg": infusion.amount,
        "planned_hours": infusion.hours,
        "delivered_mg": infusion.delivered,
        "segments": [
            {"from": _stamp(s.start), "until": _stamp(s.end), "rate_mg_per_h": s.rate} for s in infusion.segments
        ],
    }


def _clock_record(begin: int, end: int, behind: int) -> dict[str, Any]:
    return {"from": _stamp(begin), "until": _stamp(end), "behind_seconds": behind}


def _stamp(millis: int) -> str:
    return from_millis(millis).isoformat().replace("+00:00", "Z")
