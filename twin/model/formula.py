"""The formula language of model files: arithmetic, a few functions, and nothing else.

A formula is parsed by Python's own grammar and then held against a whitelist, so that what remains is a tree of
numbers, known names, ``+ - * / **``, and calls of the functions below. Nothing is ever handed to ``eval``; a tree is
walked (`evaluate`), taken apart (`twin.model.linearity`) or written out again for the compiler (`to_source`).

===========================  ======================================================================================
``exp log sqrt``             of one argument
``sin cos tanh abs floor``   of one argument; angles in radians, up to a million of them
``pow min max``              of two arguments (``min`` and ``max`` also of more)
``where(c, a, b)``           ``a`` where the comparison ``c`` holds, else ``b``; comparisons are allowed only here
``input(drug)``              rate at which the drug enters, mg per model time unit; derivatives only
``input(drug, oral)``        the same by that route only
``input(..., lag=L)``        what was given enters the time L later; L >= 0 is a formula over parameters and covariates
``input(..., duration=D)``   what was given at once enters evenly over the time D >= 0
``transit(drug, n=N,         what was given arrives through N + 1 transit steps of mean time M in all (Savic et al.
mtt=M)``                     2007); N >= 0 need not be whole; also with a route and a lag
``pulse(drug)``              one unit impulse for each dose of the drug, whatever its amount; also with a lag
``pulse(drug, T)``           one for each course of it, at the first of doses less than the time T apart
``t``                        time since the patient's record began, in model time units
``clock``                    hours since midnight, UTC
``since(drug) tad(drug)``    time since the drug's first and since its last dose began; 0 before
``dose(drug)``               amount of the last dose, mg; 0 before
``daily(drug)``              amount of the doses of the last 24 h, mg
``count(drug)``              number of doses begun
``after(drug, T)``           1 once the time T has passed since the drug's first dose began; 0 before
``span(drug)``               time from the begin of the first dose to that of the last; 0 before
``previous(output)``         last measured value of an output; 0 before, or ``b`` with ``previous(output, b)``
===========================  ======================================================================================

The functions from ``t`` on read the patient's record (`twin.model.record_functions` says exactly what); all may stand
in derivatives and outputs, and those that hold still between two events, ``dose`` and below, also in parameters and
derived values.
"""

from __future__ import annotations

import ast
import difflib
import functools
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Value = float | NDArray[np.float64]

FUNCTIONS: Mapping[str, tuple[int, int | None]] = {
    **dict.fromkeys(("exp", "log", "sqrt", "sin", "cos", "tanh", "abs", "floor"), (1, 1)),
    "pow": (2, 2),
    "min": (2, None),
    "max": (2, None),
    "where": (3, 3),
}
"""Functions of a formula with the least and the greatest number of arguments (``None``: no limit)."""

INPUT_FUNCTIONS: Mapping[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "input": (2, (), ("lag", "duration")),
    "pulse": (1, (), ("lag",)),
    "transit": (2, ("n", "mtt"), ("lag",)),
}
"""Functions that stand for what enters the body: their arguments are a drug and perhaps a route, most so many, and
named formulas that must and that may follow."""

ROUTES = ("iv", "oral", "sc", "im", "ip")
"""Routes that ``input(drug, route)`` may name: those of a recorded dose."""

HOLDING_FUNCTIONS = ("dose", "daily", "count", "after", "span", "previous")
"""Functions of the record that hold still between two events."""

RECORD_FUNCTIONS = ("since", "tad", *HOLDING_FUNCTIONS)
"""Functions of the patient's record; their argument is a drug, that of ``previous`` an output."""

CLOCKS = ("t", "clock")
"""Names that stand for the time."""

RESERVED = frozenset({*FUNCTIONS, *INPUT_FUNCTIONS, *RECORD_FUNCTIONS, *CLOCKS})
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
    ast.Pow: ("**", lambda a, b: _power(a, b)),
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
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "abs": np.abs,
    "floor": np.floor,
    "pow": np.power,
    "where": np.where,
}


_CONTROL = re.compile(r"\b(if|else|elseif|endif|then)\b|\.(gt|ge|lt|le|eq|ne|and|or)\.", re.IGNORECASE)
"""Words by which a formula of NM-TRAN or Python branches."""

_WHERE = "write where(test, a, b) with a test such as t > 24: a where it holds, else b"


def _power(base: Any, exponent: Any) -> Any:
    found = base**exponent
    if isinstance(found, complex):
        raise ArithmeticError("a power of a negative number is not real")
    return found


class ExpressionError(ValueError):
    """A formula outside the language; the message says what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class _Words:
    """What a formula may use: names, drugs that enter (``None``: no inputs), functions of the record by argument."""

    names: Collection[str]
    drugs: Collection[str] | None
    record: Mapping[str, Collection[str]]


# --- parsing ---------------------------------------------------------------------------------------------------------


def parse_expression(
    text: str,
    names: Collection[str],
    drugs: Collection[str] | None = None,
    record: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> ast.expr:
    """Parse a formula that may use ``names``; with ``drugs`` given, also what enters of those.

    ``record`` maps each function of the record that may be used to the drugs or outputs that it may be asked for.

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
        if _CONTROL.search(text):
            raise ExpressionError(f"'{text}' branches as NM-TRAN and Python do; {_WHERE}") from None
        place = f" at character {error.offset}" if error.offset else ""
        raise ExpressionError(f"'{text}' is not a formula: {error.msg}{place}") from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError("the formula cannot be read; nest it less or name its parts under [derived]") from None
    if _depth(body) > DEEPEST:
        raise ExpressionError(f"the formula is nested over {DEEPEST} deep; name its parts under [derived]")
    _check(body, _Words(names, drugs, record))
    return body


def _depth(body: ast.expr) -> int:
    depth, layer = 0, list[ast.AST]([body])
    while layer:
        depth += 1
        layer = [p for node in layer for p in ast.iter_child_nodes(node) if isinstance(p, ast.expr | ast.keyword)]
    return depth


def _check(node: ast.expr, words: _Words) -> None:
    match node:
        case ast.Constant():
            _check_number(node)
        case ast.Name(id=name):
            if name not in words.names:
                raise ExpressionError(_unknown(name, words.names))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check(operand, words)
        case ast.BinOp(left=left, op=operator, right=right):
            if isinstance(operator, ast.BitXor):
                raise ExpressionError(f"'{_shown(node)}' uses '^'; write a power as '**'")
            if type(operator) not in _OPERATORS:
                raise ExpressionError(f"'{_shown(node)}' uses an operator that is not one of + - * / **")
            _check(left, words)
            _check(right, words)
        case ast.Call():
            _check_call(node, words)
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            meant = f"where({_shown(test)}, {_shown(body)}, {_shown(otherwise)})"
            raise ExpressionError(f"'{_shown(node)}' is not part of the formula language; write {meant}")
        case ast.BoolOp():
            mend = "put one where(test, a, b) inside another"
            raise ExpressionError(f"'{_shown(node)}' is not part of the formula language; {mend}")
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


def _check_call(node: ast.Call, words: _Words) -> None:
    known = ", ".join([*FUNCTIONS, *INPUT_FUNCTIONS, *RECORD_FUNCTIONS])
    plain = isinstance(node.func, ast.Name) and not any(isinstance(a, ast.Starred) for a in node.args)
    if not plain or (node.keywords and not is_input(node)):
        raise ExpressionError(f"'{_shown(node)}' is not a plain call; the functions are {known}")
    assert isinstance(node.func, ast.Name)
    function, count = node.func.id, len(node.args)
    if function in INPUT_FUNCTIONS:
        _check_input(node, function, words)
        return
    if function in RECORD_FUNCTIONS:
        _check_record(node, function, words)
        return
    if function not in FUNCTIONS:
        if function.lower() in ("if", "ifelse", "iff"):
            raise ExpressionError(f"'{_shown(node)}': {_WHERE}")
        raise ExpressionError(f"unknown function '{function}'; the functions are {known}")
    least, most = FUNCTIONS[function]
    if count < least or (most is not None and count > most):
        wanted = f"{least}" if most == least else f"at least {least}"
        raise ExpressionError(f"'{_shown(node)}': {function} takes {wanted} argument{'s' * (least > 1)}, not {count}")
    arguments = list(node.args)
    if function == "where":
        arguments = [*_sides(node, arguments[0]), *arguments[1:]]
    for argument in arguments:
        _check(argument, words)


def _sides(node: ast.Call, condition: ast.expr) -> tuple[ast.expr, ast.expr]:
    match condition:
        case ast.Compare(left=left, ops=[comparison], comparators=[right]) if type(comparison) in _COMPARISONS:
            return left, right
    raise ExpressionError(f"'{_shown(node)}': where() begins with one comparison, e.g. where(X > 1, a, b)")


def _check_input(node: ast.Call, function: str, words: _Words) -> None:
    if words.drugs is None:
        raise ExpressionError(f"'{_shown(node)}': {function}() is allowed only in the derivative of a state")
    most, needed, allowed = INPUT_FUNCTIONS[function]
    arguments = node.args[:1] if function == "pulse" else node.args
    given = [argument.id for argument in arguments if isinstance(argument, ast.Name)]
    named = [keyword.arg for keyword in node.keywords]
    known = {*needed, *allowed}
    for gap in node.args[len(arguments) :]:
        if len(node.args) > 2 or not isinstance(gap, ast.Constant) or not _is_positive(gap.value):
            raise ExpressionError(f"'{_shown(node)}': write {_FORMS[function]}, with a number above 0 for T")
    if len(given) != len(arguments) or not 1 <= len(given) <= most or not set(needed) <= set(named) <= known:
        raise ExpressionError(f"'{_shown(node)}': write {_FORMS[function]}")
    if given[0] not in words.drugs:
        drugs = ", ".join(words.drugs)
        raise ExpressionError(f"unknown drug '{given[0]}'; known: {drugs}; declare it as [inputs.{given[0]}]")
    if len(given) == 2 and given[1] not in ROUTES:
        raise ExpressionError(f"unknown route '{given[1]}'; the routes are {', '.join(ROUTES)}")
    for keyword in node.keywords:
        _check(keyword.value, _Words(words.names, None, words.record))


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


_FORMS = {
    "input": "input(drug) or input(drug, route), perhaps with lag=... and duration=...",
    "pulse": "pulse(drug) or pulse(drug, T), perhaps with lag=...",
    "transit": "transit(drug, n=..., mtt=...) or transit(drug, route, n=..., mtt=...), perhaps with lag=...",
}


def _check_record(node: ast.Call, function: str, words: _Words) -> None:
    if function not in words.record:
        here = ", ".join(words.record) or "none"
        raise ExpressionError(
            f"'{_shown(node)}': {function}() is not allowed here (of the functions of the record: {here})"
        )
    kind = "output" if function == "previous" else "drug"
    least, most = {"previous": (1, 2), "after": (2, 2)}.get(function, (1, 1))
    if not least <= len(node.args) <= most or not isinstance(node.args[0], ast.Name):
        form = f"{function}({kind}, time)" if least == 2 else f"{function}({kind})"
        raise ExpressionError(f"'{_shown(node)}': write {form}")
    if node.args[0].id not in words.record[function]:
        known = ", ".join(words.record[function]) or "none"
        raise ExpressionError(f"unknown {kind} '{node.args[0].id}'; known: {known}")
    if len(node.args) == 2 and names_in(node.args[1]):
        what = "value before the first measurement" if function == "previous" else "time"
        raise ExpressionError(f"'{_shown(node)}': the {what} must be a number")
    for argument in node.args[1:]:
        _check(argument, _Words((), None, {}))


def _unknown(name: str, names: Collection[str]) -> str:
    if name in FUNCTIONS or name in INPUT_FUNCTIONS or name in RECORD_FUNCTIONS:
        return f"'{name}' is a function; call it with arguments"
    close = difflib.get_close_matches(name, sorted(names), n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(sorted(names)) or 'nothing'}"
    return f"unknown name '{name}'; {hint}"


def _shown(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- reading a formula -----------------------------------------------------------------------------------------------


def is_input(node: ast.AST) -> bool:
    """Whether a node is a call of ``input``, ``pulse`` or ``transit``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in INPUT_FUNCTIONS


def is_record(node: ast.AST) -> bool:
    """Whether a node is a call of a function of the record."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RECORD_FUNCTIONS


def names_in(expression: ast.expr) -> frozenset[str]:
    """What a formula reads: names, and functions of the record as source text; no function names, drugs or routes.

    >>> sorted(names_in(parse_expression("exp(k*A) + input(drug)", {"k", "A"}, ["drug"])))
    ['A', 'k']
    """
    if is_input(expression):
        return frozenset()
    if is_record(expression):
        return frozenset({ast.unparse(expression)})
    match expression:
        case ast.Name(id=name):
            return frozenset({name})
        case ast.Call(args=arguments):
            return frozenset().union(*(names_in(argument) for argument in arguments))
    parts = (node for node in ast.iter_child_nodes(expression) if isinstance(node, ast.expr))
    return frozenset().union(*(names_in(part) for part in parts))


def arguments_of(call: str) -> tuple[str, tuple[str, ...], dict[str, ast.expr]]:
    """Function, drug (and route), and named formulas of an input call given as source text; the state that
    `twin.model.structure` may have put ``into`` it is none.

    >>> function, words, formulas = arguments_of("input(drug, oral, lag=ALAG)")
    >>> function, words, ast.unparse(formulas["lag"])
    ('input', ('drug', 'oral'), 'ALAG')
    """
    node = ast.parse(call, mode="eval").body
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    given = tuple(argument.id for argument in node.args if isinstance(argument, ast.Name))
    return node.func.id, given, {each.arg: each.value for each in node.keywords if each.arg and each.arg != "into"}


def evaluate(expression: ast.expr, env: Mapping[str, Value]) -> Value:
    """The value of a formula; names, input calls and functions of the record (as text) are looked up in ``env``.

    >>> evaluate(parse_expression("CL * (W / 70) ** 0.75", {"CL", "W"}), {"CL": 2.0, "W": 70.0})
    2.0
    """
    return cast(Value, _value(expression, env))


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
            if function in INPUT_FUNCTIONS or function in RECORD_FUNCTIONS:
                return env[ast.unparse(node)]
            values = [_value(argument, env) for argument in arguments]
            if function in ("min", "max"):
                return functools.reduce(np.minimum if function == "min" else np.maximum, values)
            return _NUMPY[function](*values)
    raise TypeError(f"not a parsed formula: {ast.dump(node)}")


def to_source(expression: ast.expr, rename: Mapping[str, str]) -> str:
    """Python source of a formula for scalar code with ``math`` and ``np``, names replaced as ``rename`` says.

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
        case ast.Call() if is_record(expression):
            return rename[ast.unparse(expression)]
        case ast.Call(func=ast.Name(id=function), args=arguments) if function not in INPUT_FUNCTIONS:
            return _call_source(function, [to_source(argument, rename) for argument in arguments])
    raise TypeError(f"no scalar value: {ast.unparse(expression)}")


def _call_source(function: str, arguments: list[str]) -> str:
    if function == "where":
        return f"({arguments[1]} if {arguments[0]} else {arguments[2]})"
    if function == "pow":
        return f"({arguments[0]} ** {arguments[1]})"
    if function in ("min", "max", "abs"):
        return f"{function}({', '.join(arguments)})"
    return f"{'np' if function == 'floor' else 'math'}.{function}({arguments[0]})"
