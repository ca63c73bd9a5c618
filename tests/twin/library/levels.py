"""Courses of the typical patient's levels under doses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tests.twin.equations import BEGINNING, timeline_of
from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.kernel.kernel import compile_model
from twin.modelfile.library import load_model
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.delivery import Delivered


def over(hours: float, amount: float, start: float = 0.0) -> list[tuple[int, float]]:
    """Rate steps of an amount (mg) given evenly over some hours."""
    return [(round(start * HOUR_MS), amount / hours), (round((start + hours) * HOUR_MS), 0.0)]


def typical(
    model_id: str,
    given: Mapping[str, Delivered],
    hours: Sequence[float],
    covariates: Mapping[str, float] | None = None,
    eta: Mapping[str, float] | None = None,
) -> dict[str, Floats]:
    """Outputs and target states at some hours, by name, of the patient with these covariates and etas, else typical."""
    kernel = compile_model(load_model(model_id))
    model = kernel.model
    values = [(covariates or {}).get(c.name, c.reference) for c in model.covariates]
    timeline = timeline_of(kernel, dict(given), covariates=[(BEGINNING, values)])
    effects = np.array([[(eta or {}).get(name, 0.0) for name in model.effect_names]])
    solver = Solver(kernel, effects, step_sizes_for(kernel), shared=False)
    marks = np.round(np.array(hours) * HOUR_MS).astype(np.int64)
    _, out = solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)
    names = [o.name for o in model.outputs] + [t.state or t.name for t in model.targets]
    return {name: out[:, i, 0] for i, name in enumerate(names)}


def hourly(days: float) -> list[float]:
    return [float(hour) for hour in range(1, round(days * 24) + 1)]


def daily(amount: float, every: float, count: int, route: str = "oral") -> Delivered:
    return Delivered(impulses=[(round(i * every * HOUR_MS), amount, route) for i in range(count)])
