"""Derivatives of formulas are those of differences, and what a formula does not depend on has none."""

from __future__ import annotations

import ast

import pytest

from twin.kernel.loops.derivative import derivative, time_derivative
from twin.model.formula import evaluate, parse_expression

NAMES = {"A", "B", "K", "t", "clock"}
RECORD = {"tad": ["drug"], "since": ["drug"], "dose": ["drug"]}


def parsed(text: str) -> ast.expr:
    return parse_expression(text, NAMES, record=RECORD)


@pytest.mark.parametrize(
    "text",
    [
        "K*A - 3/A + 2",
        "-K*A/(B + A)",
        "+A*A*A",
        "(K/A)**B",
        "A**3",
        "2**A",
        "pow(A, 0.7)",
        "exp(-A)*log(A)/sqrt(A)",
        "sin(A) + cos(K*A)*tanh(A)",
        "abs(A - 2) + abs(1 - A)",
        "min(A, 1, B) + max(A, 1) - max(1, A, K)",
        "where(A > 1, A**2, K*A)",
        "where(K > 1, A, K)",
        "floor(A)*A",
        "A*dose(drug)",
        "min(A/B, K)*max(K*A*A, B)",
    ],
)
@pytest.mark.parametrize("at", [0.6, 1.4])
def test_a_derivative_is_that_of_differences(text: str, at: float) -> None:
    formula = parsed(text)
    env = {"A": at, "B": 1.7, "K": 0.9, "dose(drug)": 3.0}
    found = derivative(formula, "A")
    slope = 0.0 if found is None else float(evaluate(found, env))
    bump = 1e-6
    high, low = (float(evaluate(formula, env | {"A": at + step})) for step in (bump, -bump))
    assert slope == pytest.approx((high - low) / (2 * bump), rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("text", ["K*B", "3", "floor(B)", "where(B > 1, K, 2)", "dose(drug)/K"])
def test_what_a_formula_does_not_depend_on_has_no_derivative(text: str) -> None:
    assert derivative(parsed(text), "A") is None


@pytest.mark.parametrize(
    ("text", "slope"),
    [("K*t", 0.9), ("sin(clock/24)", 24 * 0.5403023 / 24), ("A*tad(drug)", 2.0), ("since(drug)**2", 0.0), ("K*A", 0.0)],
)
def test_a_formula_changes_with_time_through_clocks_and_times_since_a_dose(text: str, slope: float) -> None:
    env = {"A": 2.0, "K": 0.9, "t": 5.0, "clock": 24.0, "tad(drug)": 1.5, "since(drug)": 0.0}
    found = time_derivative(parsed(text), 24.0)
    assert (0.0 if found is None else float(evaluate(found, env))) == pytest.approx(slope)


def test_what_is_no_formula_is_refused() -> None:
    with pytest.raises(TypeError, match="not a parsed formula"):
        derivative(ast.parse("A if A else B", mode="eval").body, "A")
