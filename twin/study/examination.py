"""A recorded patient under examination: each value predicted before it is assimilated, then the whole record fitted.

One-step-ahead predictions are leave-future-out cross-validation by construction (Bürkner et al. 2020, J Stat Comput
Simul 90:2499): nothing that came later had a part in them. Individual predictions, IWRES and NPDE are those of
`twin.study.diagnostics` at the posterior mode given the whole record.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.clock import UNIT_MS
from twin.events import Prediction
from twin.figure.trajectory import curve_times
from twin.filter.belief import Belief, prior
from twin.filter.learning import learn
from twin.filter.posthoc import post_hoc
from twin.filter.quantiles import quantiles
from twin.filter.trunk import Trunk
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.observation.observation import Observation
from twin.patient.reading import Reader
from twin.record.history import History
from twin.solver.effects import Effects
from twin.solver.step_control import step_sizes_for
from twin.study.diagnostics import Diagnosis, diagnose
from twin.study.prediction import Predictor
from twin.timeline.covariates import widened
from twin.timeline.timeline import Timeline, build

LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Fitted:
    """One output along the record (T,), given all of it: the posterior's 90 % band and median, the mode, the typical
    patient; times in model time units from the start of the record."""

    output: int
    times: Floats
    low: Floats
    median: Floats
    high: Floats
    mode: Floats
    typical: Floats


@dataclass(frozen=True)
class Examined:
    """One patient with n values.

    Attributes:
        times: (n,) of the values, in model time units from the start of the record.
        predictions: what was expected of each value before it was assimilated.
        diagnosis: given the whole record.
        curves: of each output that was measured.
        converged: whether the search for the mode settled.
    """

    patient_id: str
    times: Floats
    predictions: tuple[Prediction, ...]
    diagnosis: Diagnosis
    curves: tuple[Fitted, ...]
    converged: bool


def examine(patient_id: str, history: History, model: Model, particles: int) -> Examined:
    """Follow a record value by value, then look at it as a whole.

    Raises:
        ValueError: the record holds no value of any of the model's outputs.
    """
    kernel = compile_model(model)
    timeline = build(history, kernel)
    if timeline is None or not timeline.observations:
        raise ValueError(f"no value of {', '.join(output.name for output in model.outputs)} in the record")
    step_sizes = step_sizes_for(kernel, timeline.delivered)
    trunk = Trunk(kernel, patient_id, step_sizes=step_sizes)
    predictor = Predictor(kernel, patient_id, step_sizes)
    reader = Reader(trunk, kernel.model)
    position = trunk.begin(timeline, prior(widened(model, timeline.widening), particles, patient_id))
    predictions = []
    for observation in timeline.observations:
        position, learned = learn(trunk, position, timeline, observation)
        predictions.append(reader.prediction(learned))
    found = post_hoc(kernel, step_sizes, timeline)
    times = np.array([observation.time - timeline.start for observation in timeline.observations])
    return Examined(
        patient_id,
        times / UNIT_MS[model.time_unit],
        tuple(predictions),
        diagnose(predictor, timeline, found.effects),
        _curves(trunk, predictor, timeline, position.belief, found.effects),
        found.converged,
    )


def _curves(
    trunk: Trunk, predictor: Predictor, timeline: Timeline, belief: Belief, mode: Effects
) -> tuple[Fitted, ...]:
    """Curves of all outputs that were measured; what particles were before their checkpoint is not known any more."""
    marks = curve_times(timeline, timeline.observations[-1].millis)
    outputs = sorted({observation.output for observation in timeline.observations})
    looks = [Observation(millis, "", output, 0.0) for output in outputs for millis in marks.tolist()]
    typical = np.zeros((1, len(trunk.kernel.model.eta_names)))
    alone = np.hstack([predictor.predictions(each, timeline, looks) for each in (mode, typical)])
    alone = alone.reshape(len(outputs), len(marks), 2)
    every = trunk.look_back(belief, timeline, marks)
    times = (marks - timeline.start) / UNIT_MS[trunk.kernel.model.time_unit]
    found = []
    for output, single in zip(outputs, alone, strict=True):
        rows = every[:, output]
        known = np.isfinite(rows).any(axis=1, keepdims=True)
        low, median, high = np.where(known, quantiles(rows, belief.weight, LEVELS), np.nan).T
        found.append(Fitted(output, times, low, median, high, single[:, 0], single[:, 1]))
    return tuple(found)
