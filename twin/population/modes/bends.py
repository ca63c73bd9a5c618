"""Kinks of formulas in what patients differ in: where a number of their own passes another, slopes jump.

A plateau that a line runs into, ``Y + B*min(X - XM, 0)``, bends where X passes the patient's own XM. ``min``, ``max``,
``abs``, ``floor`` and the condition of ``where`` make such kinks; in what states have become, which moves evenly, they
are not counted, nor in the record and characteristics alone.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

from twin.model.formula import names_in
from twin.model.spec import Model

BENDING = ("min", "max", "abs", "floor", "where")


@functools.cache
def kinks_of(model: Model) -> tuple[str, ...]:
    """Calls, as they are written, at which what is predicted bends in a random effect; each once."""
    made_of = {one.name: one.expression for one in model.derived}
    made_of |= {one.name: one.expression for one in model.parameters if one.expression is not None}
    states, own = {one.name for one in model.states}, {*model.eta_names, *model.iov_names, *model.isv_names}

    def read(formula: ast.expr) -> frozenset[str]:
        ahead, found = set(names_in(formula)), set[str]()
        while ahead:
            word = ahead.pop()
            if word not in found:
                found.add(word)
                ahead |= names_in(made_of[word]) if word in made_of else frozenset()
        return frozenset(found)

    found = []
    for formula in _formulas(model):
        for node in ast.walk(formula):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BENDING:
                names = frozenset().union(*(read(part) for part in _turns(node)))
                if names & own and not names & states:
                    found.append(ast.unparse(node))
    return tuple(dict.fromkeys(found))


def _turns(node: ast.Call) -> list[ast.expr]:
    """What a call bends at: of ``where`` the sides of its condition."""
    if isinstance(node.func, ast.Name) and node.func.id == "where" and isinstance(node.args[0], ast.Compare):
        return [node.args[0].left, *node.args[0].comparators]
    return node.args


def _formulas(model: Model) -> Iterator[ast.expr]:
    for output in model.outputs:
        yield from (output.expression, *output.further)
    for state in model.states:
        yield from (state.initial, state.derivative)
    yield from (one.expression for one in model.derived)
    yield from (one.expression for one in model.parameters if one.expression is not None)
