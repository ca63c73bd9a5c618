"""The typical patient: what a model's formulas give at eta = 0, reference covariates and the start of the record.

A last check of a model file, which units cannot make: formulas that divide by nothing or take the logarithm of a
negative number would give every patient NaN.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

import numpy as np

from twin.model.formula import CLOCKS, evaluate, is_input, is_record
from twin.model.record_functions import record_values, resting
from twin.model.spec import Model, ModelError, OutputSpec, ParameterSpec


def individual_value(parameter: ParameterSpec, eta: float) -> float:
    """A parameter's value in a patient with this random effect, before covariate effects (see `ParameterSpec`)."""
    value = parameter.value
    match parameter.distribution:
        case "log-normal":
            return value * math.exp(eta)
        case "normal":
            return value + eta
        case "logit":
            return 1.0 / (1.0 + math.exp(-(math.log(value / (1.0 - value)) + eta)))
        case "box-cox":
            assert parameter.shape is not None, "a Box-Cox parameter has its shape"
            return value * math.exp(math.expm1(parameter.shape * eta) / parameter.shape)


def typical_values(
    model: Model, covariates: Mapping[str, float] | None = None, eta: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Covariates, individual parameters and derived values by name, of the typical patient (eta = 0).

    ``covariates`` replaces references where given, ``eta`` zeros. Raises `FloatingPointError` or `ZeroDivisionError`
    where a formula has no value.
    """
    env: dict[str, float] = {c.name: c.reference for c in model.covariates} | dict(covariates or {})
    # Covariate effects read the values before any effect, whatever the order of the file.
    own = {p.name: individual_value(p, (eta or {}).get(p.name, 0.0)) for p in model.parameters}
    plain = env | own
    env |= {p.name: own[p.name] if p.expression is None else _value(p.expression, plain) for p in model.parameters}
    for derived in model.derived:
        env[derived.name] = _value(derived.expression, env)
    return env


def check_typical(model: Model, file: str) -> None:
    """Check that every formula has a value for the typical patient.

    Raises:
        ModelError: naming the formula that has none.
    """
    constants: dict[str, float] = {}
    try:
        constants = typical_values(model)
    except (ArithmeticError, ValueError) as error:
        raise ModelError(file, "parameters", f"have no value for the typical patient ({error}); {_MEND}") from None
    for parameter in model.parameters:
        found, kind = constants[parameter.name], parameter.distribution
        key = f"parameters.{parameter.name}.expression"
        if parameter.name in model.effect_names and kind in ("log-normal", "box-cox") and found <= 0:
            raise ModelError(file, key, f"gives {found:g} for the typical patient; a {kind} parameter is above 0")
    start = constants | dict.fromkeys(CLOCKS, 0.0)
    start |= {s.name: _checked(file, f"states.{s.name}.initial", s.initial, constants) for s in model.states}
    for state in model.states:
        _checked(file, f"states.{state.name}.derivative", state.derivative, start)
    for output in model.outputs:
        if output.kind == "ordinal":
            _check_categories(output, file, start)
        elif output.kind == "event":
            key = f"outputs.{output.name}.hazard"
            hazard = _checked(file, key, output.further[1], start)
            if hazard < 0:
                problem = f"is {hazard:g} at the start of the typical patient; a hazard is 0 or more"
                raise ModelError(file, key, f"{problem}, check its sign")
        else:
            _checked(file, f"outputs.{output.name}.expression", output.expression, start)


def _check_categories(output: OutputSpec, file: str, env: Mapping[str, float]) -> None:
    total = 0.0
    for i, formula in enumerate(output.further):
        key = f"outputs.{output.name}.categories[{i}]"
        probability = _checked(file, key, formula, env)
        if not -_ROUNDING <= probability <= 1 + _ROUNDING:
            problem = f"is {probability:g} at the start of the typical patient; a probability lies between 0 and 1"
            raise ModelError(file, key, f"{problem}, mend the formula")
        total += probability
    if abs(total - 1) > _ROUNDING:
        problem = f"have probabilities that sum to {total:.6g} at the start of the typical patient, not to 1"
        raise ModelError(file, f"outputs.{output.name}.categories", f"{problem}; mend or add a category")


_ROUNDING = 1e-6


_MEND = "look for a division by zero, or a root, power or logarithm of a negative number"


def _checked(file: str, key: str, expression: ast.expr, env: Mapping[str, float]) -> float:
    try:
        return _value(expression, env)
    except (ArithmeticError, ValueError) as error:
        raise ModelError(file, key, f"has no value at the start of the typical patient ({error}); {_MEND}") from None


def _before(call: str) -> float:
    """What a function of the record says before anything happened."""
    return record_values([call], {call: resting(call)}, 0.0, 1.0)[call]


def _value(expression: ast.expr, env: Mapping[str, float]) -> float:
    calls = {ast.unparse(node): node for node in ast.walk(expression) if is_input(node) or is_record(node)}
    silent = {call: 0.0 if is_input(node) else _before(call) for call, node in calls.items()}
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        value = evaluate(expression, {**env, **silent})
    if isinstance(value, complex) or not np.isfinite(value):
        raise ArithmeticError("the result is not a finite real number")
    return float(value)
