"""Terms: parts of the equations that have a name and a unit of their own, such as a free concentration.

A derived value is computed once per individual; a term may read states and the time as well. So it is nothing that
could be stored: it is written out wherever its name stands when the file is read, and nobody after that knows of it.

Terms may stand in terms, so that a few lines could be written out to more than any machine holds: what a formula comes
to is counted before it is written, and a model has a budget for all of them (`twin.model.budget`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from twin.model.budget import DEEPEST_WRITTEN, MOST_NODES
from twin.model.formula import ExpressionError, is_input, is_record


class Terms:
    """The terms of one file, and how much of its budget its formulas have used so far."""

    def __init__(self) -> None:
        self._terms: dict[str, ast.expr] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._spent = 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._terms)

    def add(self, name: str, expression: ast.expr) -> None:
        """Take in a term, already written out."""
        self._terms[name] = expression
        self._sizes[name] = _size(expression, {})

    def written_out(self, expression: ast.expr) -> ast.expr:
        """A formula with every term in it replaced by what it stands for.

        Raises:
            ExpressionError: it would be too large or too deep, by itself or with all formulas before it.
        """
        nodes, depth = _size(expression, self._sizes)
        self._spent += nodes
        if depth > DEEPEST_WRITTEN:
            raise ExpressionError(f"is nested {depth} deep with its terms written out, over {DEEPEST_WRITTEN}; {_MEND}")
        if self._spent > MOST_NODES:
            raise ExpressionError(f"brings the formulas to {self._spent} parts, over {MOST_NODES}; {_MEND}")
        return written_out(expression, self._terms)


_MEND = "use fewer terms, or name what does not change under [derived]"


def written_out(expression: ast.expr, terms: Mapping[str, ast.expr]) -> ast.expr:
    """A formula with every term in it replaced by what it stands for; trees are shared and never changed in place.

    >>> f = ast.parse("CL*C", mode="eval").body
    >>> ast.unparse(written_out(f, {"C": ast.parse("A/V", mode="eval").body}))
    'CL * (A / V)'
    """
    if not terms:
        return expression
    match expression:
        case ast.Name(id=name):
            return terms.get(name, expression)
        case ast.Call(func=function, args=arguments, keywords=keywords):
            # Of the functions of input and record, arguments are a drug or an output, whatever a term may be called.
            plain = not (is_input(expression) or is_record(expression))
            return ast.Call(
                function,
                [written_out(argument, terms) for argument in arguments] if plain else arguments,
                [ast.keyword(item.arg, written_out(item.value, terms)) for item in keywords],
            )
        case ast.UnaryOp(op=operator, operand=operand):
            return ast.UnaryOp(operator, written_out(operand, terms))
        case ast.BinOp(left=left, op=sign, right=right):
            return ast.BinOp(written_out(left, terms), sign, written_out(right, terms))
        case ast.Compare(left=left, ops=comparisons, comparators=others):
            return ast.Compare(written_out(left, terms), comparisons, [written_out(other, terms) for other in others])
    return expression


def _size(expression: ast.expr, known: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """Parts and depth of a formula, of a term as it is ``known`` to be when written out."""
    if isinstance(expression, ast.Name):
        return known.get(expression.id, (1, 1))
    parts = [_size(part, known) for part in _parts(expression)]
    return 1 + sum(nodes for nodes, _ in parts), 1 + max((depth for _, depth in parts), default=0)


def _parts(expression: ast.expr) -> Iterator[ast.expr]:
    for child in ast.iter_child_nodes(expression):
        if isinstance(child, ast.keyword):
            yield child.value
        elif isinstance(child, ast.expr):
            yield child
