"""A residual deviation that is a formula of the prediction, for laws that have no name.

In a model file ``deviation = { coefficient = 0.316, formula = "f/(f + 5)" }``: values scatter with s = c g(f), with g
in the formula language (`twin.model.formula`) of the prediction f alone, in the output's unit, and its size; c is
estimated like any other size of an error.
"""

from __future__ import annotations

import ast
import functools

import numpy as np

from twin.arrays import Floats
from twin.model.formula import evaluate, parse_expression

PREDICTION = "f"
"""What the prediction is called in the formula."""

LEAST = 1e-12
"""Deviations are not taken below this, so that nothing is divided by none."""

TRIED = np.logspace(-6.0, 6.0, 121)
"""Predictions at which a formula must give a deviation."""

STEP = 1e-3
"""Displacement relative to f: with two either way a first derivative errs by 1e-12, a second by 1e-10, relative."""


def read_formula(text: str) -> str:
    """The formula as it is kept.

    Raises:
        ExpressionError: no formula of the prediction alone.
    """
    return ast.unparse(parse_expression(text, {PREDICTION}))


def flaw(formula: str) -> str | None:
    """At which prediction it gives no deviation, in words."""
    found = _values(formula, TRIED)
    wrong = np.flatnonzero(~(np.isfinite(found) & (found > 0.0)))
    if not len(wrong):
        return None
    return f"is {found[wrong[0]]:g} at a prediction of {TRIED[wrong[0]]:g}"


def shape(formula: str, predicted: Floats) -> Floats:
    """g (any shape) at predictions above 0."""
    return np.asarray(np.maximum(_values(formula, predicted), LEAST))


def slopes(formula: str, predicted: Floats) -> tuple[Floats, Floats, Floats]:
    """g and its first and second derivative by f, at predictions above 0; by differences, so of any formula."""
    h = STEP * predicted
    low2, low, here, high, high2 = (shape(formula, predicted + k * h) for k in (-2.0, -1.0, 0.0, 1.0, 2.0))
    first = (low2 - 8.0 * low + 8.0 * high - high2) / (12.0 * h)
    second = (16.0 * (low + high) - low2 - high2 - 30.0 * here) / (12.0 * h * h)
    return here, np.asarray(first), np.asarray(second)


@functools.lru_cache(maxsize=64)
def parsed(formula: str) -> ast.expr:
    """The tree of a formula that was read."""
    return parse_expression(formula, {PREDICTION})


def _values(formula: str, predicted: Floats) -> Floats:
    with np.errstate(all="ignore"):
        found = np.asarray(evaluate(parsed(formula), {PREDICTION: predicted}), dtype=np.float64)
    return np.broadcast_to(found, predicted.shape)
