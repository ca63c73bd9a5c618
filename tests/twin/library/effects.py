"""Courses of the typical patient's effects under doses, and what joined models share with their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tests.twin.equations import infusion, timeline_of
from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.kernel.kernel import compile_model
from twin.modelfile.library import load_model
from twin.observation.observation import Observation
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.delivery import Delivered


def typical(
    model_id: str,
    hours: Sequence[float],
    given: Mapping[str, Delivered] | None = None,
    covariates: Sequence[tuple[float, Mapping[str, float]]] = (),
    seen: Sequence[tuple[float, str, float]] = (),
) -> dict[str, Floats]:
    """Outputs of the typical patient at ``hours`` from the start; of a grade its probabilities (hours, categories).

    ``covariates`` hold from the hour they are told; ``seen`` are measured values: hour, output and value.
    """
    kernel = compile_model(load_model(model_id))
    told = {c.name: c.reference for c in kernel.model.covariates}
    rows = []
    for hour, values in covariates:
        told |= values
        rows.append((round(hour * HOUR_MS), list(told.values())))
    number = {name: i for i, name in enumerate(kernel.outputs)}
    measured = [Observation(round(h * HOUR_MS), f"{name} {h}", number[name], value) for h, name, value in seen]
    timeline = timeline_of(kernel, dict(given or {}), 0, rows, measured)
    solver = Solver(kernel, np.zeros((1, len(kernel.model.effect_names))), step_sizes_for(kernel), shared=False)
    marks = np.round(np.asarray(hours) * HOUR_MS).astype(np.int64)
    _, out = solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)
    found = {name: out[:, i, 0] for name, i in number.items()}
    grades = [name for name, i in number.items() if kernel.model.outputs[i].kind == "ordinal"]
    return found | {name: out[:, list(kernel.rows[number[name]]), 0] for name in grades}


def hour_infusion(mg: float, hours: float, begins: Sequence[float] = (0.0,)) -> Delivered:
    """Doses in mg, each over ``hours``, by vein."""
    steps = [step for h in begins for step in ((round(h * HOUR_MS), mg / hours), (round((h + hours) * HOUR_MS), 0.0))]
    return infusion(steps, pulses=[round(h * HOUR_MS) for h in begins])


def assert_one_truth(suite_id: str, part_id: str, names: Mapping[str, str]) -> None:
    """Parameters of a part, called ``names[name]`` in the suite, have the same value, unit and variability there."""
    suite = {p.name: p for p in load_model(suite_id).parameters}
    part = {p.name: p for p in load_model(part_id).parameters}
    for name, other in names.items():
        for key in ("value", "unit", "iiv", "distribution", "shape"):
            assert getattr(suite[other], key) == getattr(part[name], key), f"{other}.{key}"


def same(*names: str) -> dict[str, str]:
    """Names that are alike in part and suite."""
    return {name: name for name in names}


DAYS = np.arange(0.0, 21.05, 0.1)


def tablets(mg: float, days: int, times_a_day: int = 1, begin: float = 0.0) -> Delivered:
    """So many mg by mouth at even times for so many days."""
    hours = begin + np.arange(days * times_a_day) * 24 / times_a_day
    return infusion([], [(round(h * HOUR_MS), mg, "oral") for h in hours.tolist()])
