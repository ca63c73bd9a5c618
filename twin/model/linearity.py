"""Formulas taken apart: what multiplies each variable of a formula that is linear in them."""

from __future__ import annotations

import ast
from collections.abc import Callable

from twin.model.formula import is_input, is_record


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
    return _Linear(variables).terms(expression)


class _Linear:
    """Takes formulas apart; knows of each part whether it uses a variable, so that no part is searched twice."""

    def __init__(self, variables: frozenset[str]) -> None:
        self._variables = variables
        self._using: dict[int, bool] = {}

    def terms(self, expression: ast.expr) -> dict[str, ast.expr] | None:
        if not self._uses(expression):
            return {"": expression}
        if is_input(expression):
            return {ast.unparse(expression): ast.Constant(1.0)}
        match expression:
            case ast.Name(id=name):
                return {name: ast.Constant(1.0)}
            case ast.UnaryOp(op=operator, operand=operand):
                terms = self.terms(operand)
                if terms is None or isinstance(operator, ast.UAdd):
                    return terms
                return {name: _negative(term) for name, term in terms.items()}
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as operator, right=right):
                return _sum_of_terms(self.terms(left), operator, self.terms(right))
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                if not self._uses(left):
                    return _scaled(self.terms(right), lambda term: _product(left, term))
                if not self._uses(right):
                    return _scaled(self.terms(left), lambda term: _product(term, right))
            case ast.BinOp(left=left, op=ast.Div(), right=right) if not self._uses(right):
                return _scaled(self.terms(left), lambda term: ast.BinOp(term, ast.Div(), right))
        return None

    def _uses(self, expression: ast.AST) -> bool:
        known = self._using.get(id(expression))
        if known is None:
            known = self._using[id(expression)] = self._found_in(expression)
        return known

    def _found_in(self, expression: ast.AST) -> bool:
        if is_input(expression):
            return ast.unparse(expression) in self._variables
        if is_record(expression):
            return False
        if isinstance(expression, ast.Name):
            return expression.id in self._variables
        return any(self._uses(part) for part in ast.iter_child_nodes(expression))


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
