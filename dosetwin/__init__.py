"""The twin in Python: all of a pharmacometrician's work in a notebook or script, with no server.

In come data frames or files in the style of NM-TRAN, or events, and a model. Out go data frames and figures. Each name
is loaded when it is first used.

>>> import dosetwin
>>> model = dosetwin.load_model("fluorouracil_yamada2025")
>>> records = dosetwin.simulate(model, patients=2, seed=1)
>>> dosetwin.estimate(records, model, jobs=0).individuals["ID"].tolist()
[1, 2]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dosetwin.notebook import show_in_notebooks

if TYPE_CHECKING:
    from dosetwin import events
    from dosetwin.dosing import (
        Advice,
        Horizon,
        Protocol,
        advise,
        load_protocol,
        next_sample,
        plan_ahead,
        usual_protocol,
        what_if,
    )
    from dosetwin.estimation import Estimates, estimate
    from dosetwin.models import library, load_model
    from dosetwin.noncompartmental import Noncompartmental, nca
    from dosetwin.records import LeftOutWarning, read_nmtran
    from dosetwin.replaying import Replay, replay
    from dosetwin.simulating import simulate
    from dosetwin.validating import CalibrationResult, ExaminationResult, validate
    from twin.model.spec import Model, ModelError
    from twin.patient.twin import PatientTwin

__all__ = [
    "Advice",
    "CalibrationResult",
    "Estimates",
    "ExaminationResult",
    "Horizon",
    "LeftOutWarning",
    "Model",
    "ModelError",
    "Noncompartmental",
    "PatientTwin",
    "Protocol",
    "Replay",
    "advise",
    "estimate",
    "events",
    "library",
    "load_model",
    "load_protocol",
    "nca",
    "next_sample",
    "plan_ahead",
    "read_nmtran",
    "replay",
    "simulate",
    "usual_protocol",
    "validate",
    "what_if",
]

_HOMES = {
    "Advice": "dosetwin.dosing",
    "Horizon": "dosetwin.dosing",
    "Protocol": "dosetwin.dosing",
    "advise": "dosetwin.dosing",
    "load_protocol": "dosetwin.dosing",
    "next_sample": "dosetwin.dosing",
    "plan_ahead": "dosetwin.dosing",
    "usual_protocol": "dosetwin.dosing",
    "what_if": "dosetwin.dosing",
    "CalibrationResult": "dosetwin.validating",
    "Estimates": "dosetwin.estimation",
    "ExaminationResult": "dosetwin.validating",
    "LeftOutWarning": "dosetwin.records",
    "Model": "twin.model.spec",
    "ModelError": "twin.model.spec",
    "Noncompartmental": "dosetwin.noncompartmental",
    "PatientTwin": "twin.patient.twin",
    "Replay": "dosetwin.replaying",
    "estimate": "dosetwin.estimation",
    "library": "dosetwin.models",
    "load_model": "dosetwin.models",
    "nca": "dosetwin.noncompartmental",
    "read_nmtran": "dosetwin.records",
    "replay": "dosetwin.replaying",
    "simulate": "dosetwin.simulating",
    "validate": "dosetwin.validating",
}


def __getattr__(name: str) -> Any:
    if name == "events":
        return import_module("dosetwin.events")
    if name not in _HOMES:
        raise AttributeError(f"module 'dosetwin' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__


show_in_notebooks()
