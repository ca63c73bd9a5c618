"""Formulas taken apart: what multiplies each variable of a formula that is linear in them."""

from __future__ import annotations

import ast
from collections.abc import Callable

from twin.model.formula import is_input, names_in


def linear_terms(expression: ast.expr, variables: frozenset[str]) -> dict[str, ast.expr] | None:
    """Coefficients of a formula that is linear in ``variables``, or ``None`` when it is not.

    Variables are names, or input calls as source text. Key ``""`` holds the remainder without any of them; a key is
    absent where its coefficient is zero. ``f = sum(terms[v] * v) + terms[""]``.

    >>> from twin.model.formula import parse_expression
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
