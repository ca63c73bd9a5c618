"""What a model's typical patient shows under the model's own regimens, held against what a source says it must show.

So a drug on another scale than its effect, or a structure that was copied wrong, is seen where units and names agree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import DAY_MS, UNIT_MS
from twin.events import DoseGiven
from twin.kernel.kernel import Kernel
from twin.model.evidence import ExpectedSpec
from twin.model.spec import ModelError, OutputSpec
from twin.observation.residual import on_scale, scale
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.regimen import ORIGIN, treated, treatment

SEEN = 0.25
"""Standard deviations of the residual error: what moves an output by less cannot be learned from a course of it."""

POINTS = 24
"""Times at which courses with and without a drug are compared."""


def unexpected(kernel: Kernel, file: str) -> tuple[ModelError, ...]:
    """What the typical patient does not show though the file expects it, as errors that nobody raises."""
    model = kernel.model
    found: list[ModelError] = []
    for i, one in enumerate(model.expected):
        value = typical_of(kernel, one)
        if not one.low <= value <= one.high:
            problem = f"{one.quantity} of the typical patient is {value:.4g} at {one.at:g} {model.time_unit}, not"
            mend = "look for a scale or a unit ([inputs.X] scale), or mend what is expected"
            found.append(ModelError(file, f"expected[{i}]", f"{problem} {one.low:g} to {one.high:g}; {mend}"))
    return tuple(found)


def typical_of(kernel: Kernel, expected: ExpectedSpec) -> float:
    """The value of an output or a state of the typical patient at a time after the first dose."""
    model = kernel.model
    unit = UNIT_MS[model.time_unit]
    timeline = treated(kernel, treatment(model, "expected", (expected.at * unit + DAY_MS) / DAY_MS))
    solver = Solver(kernel, np.zeros((1, len(model.effect_names))), step_sizes_for(kernel), shared=False)
    end = max(ORIGIN + round(expected.at * unit), timeline.start)
    cloud, out = solver.advance(solver.initial(timeline), timeline, end, np.array([end], dtype=np.int64))
    if expected.quantity in kernel.outputs:
        return float(out[0, kernel.outputs.index(expected.quantity), 0])
    linear, stepped = solver.natural(cloud, timeline)
    if expected.quantity in kernel.linear:
        return float(linear[0, kernel.linear.index(expected.quantity)])
    value = float(stepped[0, kernel.stepped.index(expected.quantity)])
    return float(np.exp(value)) if expected.quantity in kernel.structure.growing else value


def unseen(kernel: Kernel, file: str) -> tuple[ModelError, ...]:
    """Drugs whose usual doses move no output of the typical patient by `SEEN` of its residual error, as doubts.

    A model that says what it expects is believed; a drug that is meant to enter nothing is not asked about.
    """
    model = kernel.model
    silent = {entry.drug for entry in model.inputs if entry.enters_nothing}
    asked = [drug for drug in dict.fromkeys(r.drug for r in model.regimens) if drug not in silent]
    if model.expected or not asked:
        return ()
    unit = UNIT_MS[model.time_unit]
    length = unit * max(model.cadence.horizon, *(2 * r.interval for r in model.regimens))
    marks = ORIGIN + np.rint(length * np.geomspace(1e-3, 1.0, POINTS)).astype(np.int64)
    marks = np.unique(np.maximum(marks, ORIGIN + 1))
    doses = treatment(model, "expected", length / DAY_MS)
    usual = _solved(kernel, doses, marks)
    found: list[ModelError] = []
    for drug in asked:
        without = _solved(kernel, tuple(dose for dose in doses if dose.drug != drug), marks)
        if max(_apart(output, usual[:, i], without[:, i]) for i, output in enumerate(model.outputs)) < SEEN:
            problem = f"the usual doses of {drug} move no output by a quarter of its residual error"
            mend = f"look for the scale of {drug} ([inputs.{drug}] scale), or say what is [[expected]]"
            number = next(i for i, r in enumerate(model.regimens) if r.drug == drug)
            found.append(ModelError(file, f"regimens[{number}]", f"{problem}; {mend}"))
    return tuple(found)


def _solved(kernel: Kernel, doses: tuple[DoseGiven, ...], marks: NDArray[np.int64]) -> Floats:
    """Outputs (M, O) of the typical patient under these doses."""
    timeline = treated(kernel, doses)
    eta = np.zeros((1, len(kernel.model.effect_names)))
    solver = Solver(kernel, eta, step_sizes_for(kernel), shared=False)
    late = np.maximum(marks, timeline.start)
    at, which = np.unique(late, return_inverse=True)
    out = solver.advance(solver.initial(timeline), timeline, int(at[-1]), at)[1]
    return np.asarray(out[which, :, 0])


def _apart(output: OutputSpec, one: Floats, other: Floats) -> float:
    """How far two courses are apart at most, in standard deviations of the output's residual error; of what has none,
    in twentieths of it."""
    error = output.error
    with np.errstate(all="ignore"):
        if not error.scatters:
            apart = np.abs(one - other) / (0.05 * np.abs(other) + 1e-3)
        else:
            size = np.maximum(scale(error, np.maximum(one, other)), 1e-300)
            apart = np.abs(on_scale(error, one) - on_scale(error, other)) / size
    return float(np.max(np.nan_to_num(apart, nan=0.0)))
