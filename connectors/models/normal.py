"""The normal distribution function in the model language, which has none: Hart's rational function.

Hart (1968) 5666, as West gives it (Wilmott Magazine, May 2005, Better approximations to cumulative normal functions);
measured against ``erfc``: right to 3e-9 of itself from -7 to 7, to 1e-6 at -20.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from connectors.models.formulas import call, name, number

PREFIX = "PHI_"
"""Begins the names of what stands for a value of the normal distribution function."""

_ABOVE = (
    3.52624965998911e-02, 0.700383064443688, 6.37396220353165, 33.912866078383, 112.079291497871, 221.213596169931,
    220.206867912376,
)  # fmt: skip
_BELOW = (
    8.83883476483184e-02, 1.75566716318264, 16.064177579207, 86.7807322029461, 296.564248779674, 637.333633378831,
    793.826512519948, 440.413735824752,
)  # fmt: skip


def distribution(at: str) -> ast.expr:
    """The probability of less than the value of a name, under a standard normal distribution."""
    z, far = name(at), call("min", call("abs", name(at)), number(37.0))
    density = call(
        "exp", ast.BinOp(ast.UnaryOp(ast.USub(), ast.BinOp(far, ast.Pow(), number(2.0))), ast.Div(), number(2.0))
    )
    tail = ast.BinOp(ast.BinOp(density, ast.Mult(), _horner(_ABOVE, far)), ast.Div(), _horner(_BELOW, far))
    above = ast.Compare(z, [ast.Gt()], [number(0.0)])
    return call("where", above, ast.BinOp(number(1.0), ast.Sub(), tail), tail)


def _horner(coefficients: Sequence[float], at: ast.expr) -> ast.expr:
    found = number(coefficients[0])
    for each in coefficients[1:]:
        found = ast.BinOp(ast.BinOp(found, ast.Mult(), at), ast.Add(), number(each))
    return found
