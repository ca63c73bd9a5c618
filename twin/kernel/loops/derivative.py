"""Derivatives of formulas, in the language of formulas: what an implicit stepper needs of a model's equations.

    d(f g) = f' g + f g',    d(f / g) = (f' - (f / g) g') / g,    d(f ** c) = c f ** (c - 1) f',
    d(f ** g) = f ** g (g' log f + g f' / f),    d where(c, f, g) = where(c, f', g')

At a kink (``abs``, ``min``, ``max``, ``where``, ``floor``) it is the derivative of one side. Products with 0 and 1 are
left out, so that what a formula does not depend on has no derivative at all.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from twin.model.formula import is_record, names_in
from twin.model.record_functions import varies

ZERO = ast.Constant(0.0)
ONE = ast.Constant(1.0)

Leaves = Mapping[str, ast.expr]
"""Derivatives of names and of functions of the record (as text); those that are not in it have none."""


def derivative(formula: ast.expr, name: str) -> ast.expr | None:
    """How fast a formula changes with ``name``, or ``None`` where it does not.

    >>> ast.unparse(derivative(ast.parse("V*A/(K + A)", mode="eval").body, "A"))
    '(V - V * A / (K + A)) / (K + A)'
    """
    return _differentiated(formula, {name: ONE})


def gradient(formula: ast.expr, names: Sequence[str]) -> dict[int, ast.expr]:
    """Derivatives of a formula by each of ``names`` that it changes with, by the position of the name.

    >>> {j: ast.unparse(found) for j, found in gradient(ast.parse("k*A*C", mode="eval").body, ["A", "B", "C"]).items()}
    {0: 'k * C', 2: 'k * A'}
    """
    reads = names_in(formula)
    found = {j: derivative(formula, name) for j, name in enumerate(names) if name in reads}
    return {j: slope for j, slope in found.items() if slope is not None}


def time_derivative(formula: ast.expr, hours: float) -> ast.expr | None:
    """How fast a formula changes with time by itself: through ``t``, ``clock``, ``since`` and ``tad``.

    Args:
        hours: the model's time unit.
    """
    leaves: dict[str, ast.expr] = {"t": ONE, "clock": ast.Constant(float(hours))}
    for call in (name for name in names_in(formula) if varies(name) and name not in leaves):
        node = ast.parse(call, mode="eval").body
        leaves[call] = _where(ast.Compare(node, [ast.Gt()], [ZERO]), ONE, ZERO)
    return _differentiated(formula, leaves)


def _differentiated(node: ast.expr, leaves: Leaves) -> ast.expr | None:
    if not names_in(node) & leaves.keys():
        return None
    match node:
        case ast.Name(id=name):
            return leaves[name]
        case ast.UnaryOp(op=operator, operand=operand):
            inner = _differentiated(operand, leaves)
            return inner if inner is None or isinstance(operator, ast.UAdd) else ast.UnaryOp(operator, inner)
        case ast.BinOp(left=left, op=operator, right=right):
            one, other = _differentiated(left, leaves), _differentiated(right, leaves)
            return _of_operation(node, operator, one, other)
        case ast.Call() if is_record(node):
            return leaves[ast.unparse(node)]
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return _of_call(node, function, arguments, leaves)
    raise TypeError(f"not a parsed formula: {ast.dump(node)}")


def _of_operation(
    node: ast.BinOp, operator: ast.operator, one: ast.expr | None, other: ast.expr | None
) -> ast.expr | None:
    left, right = node.left, node.right
    match operator:
        case ast.Add():
            return _sum(one, other)
        case ast.Sub():
            return one if other is None else _minus(one, other)
        case ast.Mult():
            return _sum(_product(one, right), _product(left, other))
        case ast.Div():
            above = one if other is None else _minus(one, ast.BinOp(node, ast.Mult(), other))
            return None if above is None else ast.BinOp(above, ast.Div(), right)
    return _of_power(node, left, right, one, other)


def _of_power(
    node: ast.expr, base: ast.expr, exponent: ast.expr, one: ast.expr | None, other: ast.expr | None
) -> ast.expr | None:
    found: ast.expr | None = None
    if one is not None:
        less = ast.BinOp(base, ast.Pow(), _minus(exponent, ONE))
        found = _product(ast.BinOp(exponent, ast.Mult(), less), one)
    if other is not None:
        found = _sum(found, _product(ast.BinOp(node, ast.Mult(), _call("log", base)), other))
    return found


def _of_call(node: ast.Call, function: str, arguments: list[ast.expr], leaves: Leaves) -> ast.expr | None:
    if function == "where":
        one, other = (_differentiated(argument, leaves) for argument in arguments[1:])
        return None if one is None and other is None else _where(arguments[0], one or ZERO, other or ZERO)
    inner = [_differentiated(argument, leaves) for argument in arguments]
    if function in ("min", "max"):
        return _of_extreme(function, arguments, inner)
    if function == "pow":
        return _of_power(ast.BinOp(arguments[0], ast.Pow(), arguments[1]), *arguments, *inner)
    return None if function == "floor" else _product(_outer(function, arguments[0], node), inner[0])


def _of_extreme(function: str, arguments: list[ast.expr], inner: list[ast.expr | None]) -> ast.expr | None:
    """Of ``min`` and ``max``: that of the first argument which is it."""
    comparison = ast.LtE() if function == "min" else ast.GtE()
    found, best = inner[0], arguments[0]
    for argument, slope in zip(arguments[1:], inner[1:], strict=True):
        if found is not None or slope is not None:
            found = _where(ast.Compare(best, [comparison], [argument]), found or ZERO, slope or ZERO)
        best = _call(function, best, argument)
    return found


def _outer(function: str, argument: ast.expr, node: ast.Call) -> ast.expr:
    """The derivative of a function of one argument, of which ``node`` is the value."""
    match function:
        case "exp":
            return node
        case "log":
            return ast.BinOp(ONE, ast.Div(), argument)
        case "sqrt":
            return ast.BinOp(ast.Constant(0.5), ast.Div(), node)
        case "sin":
            return _call("cos", argument)
        case "cos":
            return ast.UnaryOp(ast.USub(), _call("sin", argument))
        case "tanh":
            return _minus(ONE, ast.BinOp(node, ast.Mult(), node))
        case "abs":
            return _where(ast.Compare(argument, [ast.GtE()], [ZERO]), ONE, ast.UnaryOp(ast.USub(), ONE))
    raise TypeError(f"no derivative of {function}")


# --- sums and products without what does nothing ---------------------------------------------------------------------


def _sum(one: ast.expr | None, other: ast.expr | None) -> ast.expr | None:
    if one is None or other is None:
        return one or other
    return ast.BinOp(one, ast.Add(), other)


def _minus(one: ast.expr | None, other: ast.expr) -> ast.expr:
    match one, other:
        case ast.Constant(value=int() | float() as a), ast.Constant(value=int() | float() as b):
            return ast.Constant(float(a) - float(b))
    return ast.UnaryOp(ast.USub(), other) if one is None else ast.BinOp(one, ast.Sub(), other)


def _product(one: ast.expr | None, other: ast.expr | None) -> ast.expr | None:
    if one is None or other is None:
        return None
    if _is_one(one):
        return other
    return one if _is_one(other) else ast.BinOp(one, ast.Mult(), other)


def _is_one(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1


def _call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(function, ast.Load()), list(arguments), [])


def _where(condition: ast.expr, one: ast.expr, other: ast.expr) -> ast.Call:
    return _call("where", condition, one, other)
