"""The formula language of model files: arithmetic, a few functions, and nothing else.

A formula is parsed by Python's own grammar and then held against a whitelist, so that what remains is a tree of
numbers, known names, ``+ - * / **``, and calls of the functions below. Nothing is ever handed to ``eval``; a tree is
walked (`evaluate`), taken apart (`linear_terms`) or written out again for the compiler (`to_source`).

==========================  =======================================================================================
``exp log sqrt``            of one argument
``pow min max``             of two arguments (``min`` and ``max`` also of more)
``where(c, a, b)``          ``a`` where the comparison ``c`` holds, else ``b``; comparisons are allowed only here
``input(drug)``             rate at which the drug enters, mg per model time unit; derivatives only
``input(drug, oral)``       the same by that route only
``pulse(drug)``             one unit impulse for each dose of the drug, whatever its amount; derivatives only
==========================  =======================================================================================
"""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = float | NDArray[np.float64]

FUNCTIONS: Mapping[str, tuple[int, int | None]] = {
    "exp": (1, 1),
    "log": (1, 1),
    "sqrt": (1, 1),
    "pow": (2, 2),
    "min": (2, None),
    "max": (2, None),
    "where": (3, 3),
}
"""Functions of a formula with the least and the greatest number of arguments (``None``: no limit)."""

INPUT_FUNCTIONS = ("input", "pulse")
"""Functions that stand for what enters the body; their arguments are a drug and perhaps a route, not values."""

ROUTES = ("iv", "oral", "sc", "im", "ip")
"""Routes that ``input(drug, route)`` may name: those of a recorded dose."""

RESERVED = frozenset({*FUNCTIONS, *INPUT_FUNCTIONS, "t"})
"""Words of the language, which no model quantity may use as its name."""

LONGEST = 4000
"""Longest formula in characters; the longest published equation seen has some 300."""

DEEPEST = 100
"""Deepest nesting of a formula, so that walking it never exhausts the stack."""

_OPERATORS: Mapping[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", lambda a, b: a + b),
    ast.Sub: ("-", lambda a, b: a - b),
    ast.Mult: ("*", lambda a, b: a * b),
    ast.Div: ("/", lambda a, b: a / b),
    ast.Pow: ("**", lambda a, b: a**b),
}
_COMPARISONS: Mapping[type[ast.cmpop], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Lt: ("<", lambda a, b: a < b),
    ast.LtE: ("<=", lambda a, b: a <= b),
    ast.Gt: (">", lambda a, b: a > b),
    ast.GtE: (">=", lambda a, b: a >= b),
    ast.Eq: ("==", lambda a, b: a == b),
    ast.NotEq: ("!=", lambda a, b: a != b),
}
_NUMPY: Mapping[str, Callable[..., Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "pow": np.power,
    "where": np.where,
}


class ExpressionError(ValueError):
    """A formula outside the language; the message says what is wrong and how to mend it."""


# --- parsing ---------------------------------------------------------------------------------------------------------


def parse_expression(text: str, names: Collection[str], drugs: Collection[str] | None = None) -> ast.expr:
    """Parse a formula that may use ``names``; with ``drugs`` given, also ``input`` and ``pulse`` of those.

    >>> ast.unparse(parse_expression("CL / V * A", {"CL", "V", "A"}))
    'CL / V * A'

    Raises:
        ExpressionError: no formula, an unknown name or drug, or syntax that is not in the language.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"a formula of {len(text)} characters is over {LONGEST}; name its parts under [derived]")
    try:
        # A long formula may run over lines.
        body = ast.parse(" ".join(text.split()), mode="eval").body
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        raise ExpressionError(f"'{text}' is not a formula: {error.msg}{place}") from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError("the formula cannot be read; nest it less or name its parts under [derived]") from None
    if _depth(body) > DEEPEST:
        raise ExpressionError(f"the formula is nested over {DEEPEST} deep; name its parts under [derived]")
    _check(body, names, drugs)
    return body


def _depth(body: ast.expr) -> int:
    depth, layer = 0, [body]
    while layer:
        depth += 1
        layer = [part for node in layer for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
    return depth


def _check(node: ast.expr, names: Collection[str], drugs: Collection[str] | None) -> None:
    match node:
        case ast.Constant():
            _check_number(node)
        case ast.Name(id=name):
            if name not in names:
                raise ExpressionError(_unknown(name, names))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check(operand, names, drugs)
        case ast.BinOp(left=left, op=operator, right=right):
            if isinstance(operator, ast.BitXor):
                raise ExpressionError(f"'{_shown(node)}' uses '^'; write a power as '**'")
            if type(operator) not in _OPERATORS:
                raise ExpressionError(f"'{_shown(node)}' uses an operator that is not one of + - * / **")
            _check(left, names, drugs)
            _check(right, names, drugs)
        case ast.Call():
            _check_call(node, names, drugs)
        case ast.Compare():
            raise ExpressionError(f"comparison '{_shown(node)}' outside where(); write where({_shown(node)}, a, b)")
        case _:
            raise ExpressionError(f"'{_shown(node)}' is not part of the formula language")


def _check_number(node: ast.Constant) -> None:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise ExpressionError(f"{_shown(node)} is not a number")
    try:
        finite = math.isfinite(float(node.value))
    except OverflowError:
        finite = False
    if not finite:
        raise ExpressionError("a number is too large for a floating-point number")


def _check_call(node: ast.Call, names: Collection[str], drugs: Collection[str] | None) -> None:
    known = ", ".join([*FUNCTIONS, *INPUT_FUNCTIONS])
    if not isinstance(node.func, ast.Name) or node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
        raise ExpressionError(f"'{_shown(node)}' is not a plain call; the functions are {known}")
    function, count = node.func.id, len(node.args)
    if function in INPUT_FUNCTIONS:
        _check_input(node, function, drugs)
        return
    if function not in FUNCTIONS:
        raise ExpressionError(f"unknown function '{function}'; the functions are {known}")
    least, most = FUNCTIONS[function]
    if count < least or (most is not None and count > most):
        wanted = f"{least}" if most == least else f"at least {least}"
        raise ExpressionError(f"'{_shown(node)}': {function} takes {wanted} argument{'s' * (least > 1)}, not {count}")
    arguments = list(node.args)
    if function == "where":
        arguments = [*_sides(node, arguments[0]), *arguments[1:]]
    for argument in arguments:
        _check(argument, names, drugs)


def _sides(node: ast.Call, condition: ast.expr) -> tuple[ast.expr, ast.expr]:
    match condition:
        case ast.Compare(left=left, ops=[comparison], comparators=[right]) if type(comparison) in _COMPARISONS:
            return left, right
    raise ExpressionError(f"'{_shown(node)}': where() begins with one comparison, e.g. where(X > 1, a, b)")


def _check_input(node: ast.Call, function: str, drugs: Collection[str] | None) -> None:
    if drugs is None:
        raise ExpressionError(f"'{_shown(node)}': {function}() is allowed only in the derivative of a state")
    words = [argument.id for argument in node.args if isinstance(argument, ast.Name)]
    most = 2 if function == "input" else 1
    if len(words) != len(node.args) or not 1 <= len(words) <= most:
        raise ExpressionError(f"'{_shown(node)}': write input(drug), input(drug, route) or pulse(drug)")
    if words[0] not in drugs:
        known = ", ".join(drugs)
        raise ExpressionError(f"unknown drug '{words[0]}'; known: {known}; declare it as [inputs.{words[0]}]")
    if len(words) == 2 and words[1] not in ROUTES:
        raise ExpressionError(f"unknown route '{words[1]}'; the routes are {', '.join(ROUTES)}")


def _unknown(name: str, names: Collection[str]) -> str:
    if name in FUNCTIONS or name in INPUT_FUNCTIONS:
        return f"'{name}' is a function; call it with arguments"
    close = difflib.get_close_matches(name, sorted(names), n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(sorted(names)) or 'nothing'}"
    return f"unknown name '{name}'; {hint}"


def _shown(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- reading a formula -----------------------------------------------------------------------------------------------


def is_input(node: ast.AST) -> bool:
    """Whether a node is a call of ``input`` or ``pulse``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in INPUT_FUNCTIONS


def names_in(expression: ast.expr) -> frozenset[str]:
    """Names whose values a formula reads: no function names, no drugs or routes.

    >>> sorted(names_in(parse_expression("exp(k*A) + input(drug)", {"k", "A"}, ["drug"])))
    ['A', 'k']
    """
    if is_input(expression):
        return frozenset()
    match expression:
        case ast.Name(id=name):
            return frozenset({name})
        case ast.Call(args=arguments):
            return frozenset().union(*(names_in(argument) for argument in arguments))
    parts = (node for node in ast.iter_child_nodes(expression) if isinstance(node, ast.expr))
    return frozenset().union(*(names_in(part) for part in parts))


def evaluate(expression: ast.expr, env: Mapping[str, Value]) -> Value:
    """The value of a formula with names and input calls (as source text) looked up in ``env``; arrays broadcast.

    >>> evaluate(parse_expression("CL * (W / 70) ** 0.75", {"CL", "W"}), {"CL": 2.0, "W": 70.0})
    2.0
    """
    found: Value = _value(expression, env)
    return found


def _value(node: ast.expr, env: Mapping[str, Value]) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return env[name]
        case ast.UnaryOp(op=operator, operand=operand):
            inner = _value(operand, env)
            return -inner if isinstance(operator, ast.USub) else inner
        case ast.BinOp(left=left, op=operator, right=right):
            return _OPERATORS[type(operator)][1](_value(left, env), _value(right, env))
        case ast.Compare(left=left, ops=[comparison], comparators=[right]):
            return _COMPARISONS[type(comparison)][1](_value(left, env), _value(right, env))
        case ast.Call(func=ast.Name(id=function), args=arguments):
            if function in INPUT_FUNCTIONS:
                return env[ast.unparse(node)]
            values = [_value(argument, env) for argument in arguments]
            if function in ("min", "max"):
                fold = np.minimum if function == "min" else np.maximum
                total = values[0]
                for value in values[1:]:
                    total = fold(total, value)
                return total
            return _NUMPY[function](*values)
    raise TypeError(f"not a parsed formula: {ast.dump(node)}")


def to_source(expression: ast.expr, rename: Mapping[str, str]) -> str:
    """Python source of a formula for scalar code with ``math``, names replaced as ``rename`` says.

    >>> to_source(parse_expression("where(A > 0, exp(-k), 1)", {"A", "k"}), {"k": "k_1"})
    '(math.exp((-k_1)) if A > 0.0 else 1.0)'
    """
    match expression:
        case ast.Constant(value=int() | float() as number):
            return repr(float(number))
        case ast.Name(id=name):
            return rename.get(name, name)
        case ast.UnaryOp(op=operator, operand=operand):
            inner = to_source(operand, rename)
            return f"(-{inner})" if isinstance(operator, ast.USub) else inner
        case ast.BinOp(left=left, op=operator, right=right):
            return f"({to_source(left, rename)} {_OPERATORS[type(operator)][0]} {to_source(right, rename)})"
        case ast.Compare(left=left, ops=[comparison], comparators=[right]):
            return f"{to_source(left, rename)} {_COMPARISONS[type(comparison)][0]} {to_source(right, rename)}"
        case ast.Call(func=ast.Name(id=function), args=arguments) if function not in INPUT_FUNCTIONS:
            return _call_source(function, [to_source(argument, rename) for argument in arguments])
    raise TypeError(f"no scalar value: {ast.unparse(expression)}")


def _call_source(function: str, arguments: list[str]) -> str:
    if function == "where":
        return f"({arguments[1]} if {arguments[0]} else {arguments[2]})"
    if function == "pow":
        return f"({arguments[0]} ** {arguments[1]})"
    if function in ("min", "max"):
        return f"{function}({', '.join(arguments)})"
    return f"math.{function}({arguments[0]})"


# --- linearity -------------------------------------------------------------------------------------------------------


def linear_terms(expression: ast.expr, variables: frozenset[str]) -> dict[str, ast.expr] | None:
    """Coefficients of a formula that is linear in ``variables``, or ``None`` when it is not.

    Variables are names, or input calls as source text. Key ``""`` holds the remainder without any of them; a key is
    absent where its coefficient is zero. ``f = sum(terms[v] * v) + terms[""]``.

    >>> equation = parse_expression("input(x) - CL/V*A", {"CL", "V", "A"}, ["x"])
    >>> terms = linear_terms(equation, frozenset({"A", "input(x)"}))
    >>> {name: ast.unparse(coefficient) for name, coefficient in terms.items()}
    {'input(x)': '1.0', 'A': '-(CL / V)'}
    """
    if is_input(expression):
        call = ast.unparse(expression)
        return {call: ast.Constant(1.0)} if call in variables else {"": expression}
    match expression:
        case ast.Name(id=name) if name in variables:
            return {name: ast.Constant(1.0)}
        case ast.UnaryOp(op=operator, operand=operand):
            terms = linear_terms(operand, variables)
            if terms is None or isinstance(operator, ast.UAdd):
                return terms
            return {name: _negative(term) for name, term in terms.items()}
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as operator, right=right):
            return _sum_of_terms(linear_terms(left, variables), operator, linear_terms(right, variables))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            if not _uses(left, variables):
                return _scaled(linear_terms(right, variables), lambda term: _product(left, term))
            if not _uses(right, variables):
                return _scaled(linear_terms(left, variables), lambda term: _product(term, right))
            return None
        case ast.BinOp(left=left, op=ast.Div(), right=right) if not _uses(right, variables):
            return _scaled(linear_terms(left, variables), lambda term: ast.BinOp(term, ast.Div(), right))
    return None if _uses(expression, variables) else {"": expression}


def _uses(expression: ast.expr, variables: frozenset[str]) -> bool:
    calls = {ast.unparse(node) for node in ast.walk(expression) if is_input(node)}
    return not variables.isdisjoint(names_in(expression) | calls)


def _scaled(terms: dict[str, ast.expr] | None, by: Callable[[ast.expr], ast.expr]) -> dict[str, ast.expr] | None:
    return None if terms is None else {name: by(term) for name, term in terms.items()}


def _sum_of_terms(
    left: dict[str, ast.expr] | None, operator: ast.operator, right: dict[str, ast.expr] | None
) -> dict[str, ast.expr] | None:
    if left is None or right is None:
        return None
    total = dict(left)
    for name, term in right.items():
        if name in total:
            total[name] = ast.BinOp(total[name], operator, term)
        else:
            total[name] = _negative(term) if isinstance(operator, ast.Sub) else term
    return total


def _product(left: ast.expr, right: ast.expr) -> ast.expr:
    if _is_one(left):
        return right
    return left if _is_one(right) else ast.BinOp(left, ast.Mult(), right)


def _is_one(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1


def _negative(node: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.USub(), node)
