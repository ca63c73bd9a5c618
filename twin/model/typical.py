"""The typical patient: what a model's formulas give at eta = 0, reference covariates and the start of the record."""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Mapping

import numpy as np

from twin.model.formula import evaluate, is_input, is_record
from twin.model.record_functions import record_values, resting
from twin.model.spec import Model, ParameterSpec


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
    env |= {p.name: own[p.name] if p.expression is None else value_of(p.expression, plain) for p in model.parameters}
    for derived in model.derived:
        env[derived.name] = value_of(derived.expression, env)
    return env


def value_of(expression: ast.expr, env: Mapping[str, float]) -> float:
    """A formula's value for ``env``, before anything was given or measured.

    Raises:
        ArithmeticError: it has none that is finite and real.
    """
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        value = evaluate(expression, {**env, **_silence(expression)})
    if isinstance(value, complex) or not np.isfinite(value):
        raise ArithmeticError("the result is not a finite real number")
    return float(value)


# Who asks for quantiles asks the formulas of a model many times, and a formula never changes.
@functools.lru_cache(maxsize=4096)
def _silence(expression: ast.expr) -> dict[str, float]:
    """What a formula's calls of inputs and of the record give before anything was given or measured."""
    calls = {ast.unparse(node): node for node in ast.walk(expression) if is_input(node) or is_record(node)}
    return {call: 0.0 if is_input(node) else _before(call) for call, node in calls.items()}


def _before(call: str) -> float:
    """What a function of the record says before anything happened."""
    return record_values([call], {call: resting(call)}, 0.0, 1.0)[call]
