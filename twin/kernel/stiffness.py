"""Whether a model's equations are stiff: some state comes back to its equilibrium far sooner than anything happens.

An explicit step may not be longer than some three of the fastest time constants, whatever the accuracy asked for. The
fastest rate is the spectral radius of the stepped states' Jacobian, of the typical patient at rest and of the one who
has just got every drug's first dose at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twin.arrays import Floats
from twin.kernel.loops.derivative import gradient
from twin.model.formula import arguments_of, evaluate
from twin.model.record_functions import record_values, resting
from twin.model.spec import Model
from twin.model.structure import Structure
from twin.model.typical import typical_values, value_of

STIFF = 3000.0
"""Fastest time constants in a forecast's horizon from which on equations count as stiff: 1,000 explicit steps."""


def is_stiff(model: Model, structure: Structure) -> bool:
    """Whether the stepped equations are better solved by `twin.kernel.loops.rosenbrock`, which knows no late doses."""
    if not structure.stepped or structure.late:
        return False
    try:
        env = {name: np.float64(value) for name, value in typical_values(model).items()}
        rest = {state.name: np.float64(value_of(state.initial, env)) for state in model.states}
    except ArithmeticError:
        return False
    record = record_values(structure.record, {column: resting(column) for column in structure.record}, 0.0, 1.0)
    env |= {name: np.float64(value) for name, value in record.items()} | {"t": np.float64(0.0)}
    fastest = max(_radius(structure, env | states) for states in (rest, _dosed(model, structure, env, rest)))
    return fastest * model.cadence.horizon > STIFF


def _dosed(
    model: Model, structure: Structure, env: Mapping[str, np.float64], rest: Mapping[str, np.float64]
) -> dict[str, np.float64]:
    """The states after the first dose of every drug."""
    amounts: dict[str, float] = {}
    for regimen in model.regimens:
        surface = float(env["BSA"]) if regimen.amount_unit == "mg/m2" else 1.0
        amounts.setdefault(regimen.drug, regimen.amount * surface * model.input_scale.get(regimen.drug, 1.0))
    states = dict(rest)
    for name, equation in structure.equations.items():
        for call, coefficient in equation.inputs.items():
            amount = 1.0 if call.startswith("pulse(") else amounts.get(arguments_of(call)[1][0], 0.0)
            states[name] = states[name] + np.float64(evaluate(coefficient, env)) * amount
    return states


def _radius(structure: Structure, env: Mapping[str, np.float64]) -> float:
    """Spectral radius of the stepped states' Jacobian; where it has no value a rate counts as none."""
    names = structure.stepped
    jacobian: Floats = np.zeros((len(names), len(names)))
    for i, name in enumerate(names):
        rest = structure.equations[name].rest
        for j, slope in ({} if rest is None else gradient(rest, names)).items():
            with np.errstate(all="ignore"):
                value = np.float64(evaluate(slope, env)) * (env[names[j]] if names[j] in structure.growing else 1.0)
            jacobian[i, j] = value if np.isfinite(value) else 0.0
    return float(np.abs(np.linalg.eigvals(jacobian)).max())
