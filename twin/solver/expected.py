"""What a model's typical patient shows under the model's own regimens, held against what a source says it must show.

So a drug on another scale than its effect, or a structure that was copied wrong, is seen where units and names agree.
"""

from __future__ import annotations

import numpy as np

from twin.clock import DAY_MS, UNIT_MS
from twin.kernel.kernel import Kernel
from twin.model.evidence import ExpectedSpec
from twin.model.spec import ModelError
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.regimen import ORIGIN, treated, treatment


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
