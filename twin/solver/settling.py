"""Whether a dose that has been given at one interval for ever leaves a patient in a steady state at all."""

from __future__ import annotations

import functools

import numpy as np

from twin.clock import HOUR_MS
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.record.admission import RepeatedDose
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.delivery import Delivered, Steady, with_rates
from twin.timeline.timeline import assemble


@functools.lru_cache(maxsize=1024)
def settles(model: Model, dose: RepeatedDose) -> bool:
    """Whether a model's typical patient comes to a steady state under a dose."""
    kernel = compile_model(model)
    steady = Steady(
        0, round(dose.every * HOUR_MS), round(dose.duration * HOUR_MS), dose.amount, dose.entrance, dose.rated
    )
    given = {dose.drug: with_rates(Delivered(steady=[steady]))}
    reference = kernel.reference[None, : len(model.covariates)]
    beginning = np.array([np.iinfo(np.int64).min], dtype=np.int64)
    timeline = assemble(kernel, steady.millis, given, (), beginning, reference)
    solver = Solver(kernel, np.zeros((1, len(model.effect_names))), step_sizes_for(kernel), shared=False)
    cloud = solver.initial(timeline)
    return bool(np.isfinite(cloud.z).all() and np.isfinite(cloud.y).all())
