"""Courses of a typical patient by another integrator (LSODA, on formulas walked as trees), to hold models against."""

from __future__ import annotations

import ast

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from twin.model.formula import evaluate, is_input
from twin.model.spec import Model
from twin.model.typical import typical_values

Course = NDArray[np.float64]


def outputs(
    model: Model, times: list[float], dose: float = 100.0, covariates: dict[str, float] | None = None
) -> Course:
    """Outputs (T, O) at times after a dose at once: no lag, one drug, no function of the record."""
    constants = typical_values(model, covariates)
    names = [state.name for state in model.states]
    plain = [_without_inputs(state.derivative) for state in model.states]

    def change(t: float, amounts: Course) -> list[float]:
        env = {**constants, **dict(zip(names, amounts, strict=True)), "t": t, "clock": t}
        return [float(evaluate(formula, env)) for formula in plain]

    given = [_jump(state.derivative, constants) * dose for state in model.states]
    start = [float(evaluate(s.initial, constants)) + jump for s, jump in zip(model.states, given, strict=True)]
    found = solve_ivp(change, (0.0, times[-1]), start, method="LSODA", t_eval=times, rtol=1e-10, atol=1e-12)
    rows = []
    for t, amounts in zip(times, found.y.T, strict=True):
        env = {**constants, **dict(zip(names, amounts, strict=True)), "t": t, "clock": t}
        rows.append([float(evaluate(output.expression, env)) for output in model.outputs])
    return np.array(rows)


def _without_inputs(formula: ast.expr) -> ast.expr:
    class Nothing(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.expr:
            self.generic_visit(node)
            return ast.Constant(0.0) if is_input(node) else node

    found = Nothing().visit(ast.parse(ast.unparse(formula), mode="eval").body)
    assert isinstance(found, ast.expr)
    return found


def _jump(formula: ast.expr, constants: dict[str, float]) -> float:
    """What one unit of a dose adds to a state: the slope along its input."""
    calls = {ast.unparse(node) for node in ast.walk(formula) if is_input(node)}
    if not calls:
        return 0.0
    env = dict.fromkeys((node.id for node in ast.walk(formula) if isinstance(node, ast.Name)), 0.0) | constants
    given, nothing = (float(evaluate(formula, {**env, **dict.fromkeys(calls, at)})) for at in (1.0, 0.0))
    return given - nothing
