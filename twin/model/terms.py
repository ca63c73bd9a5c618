"""Terms: parts of the equations that have a name and a unit of their own, such as a free concentration.

A derived value is computed once per individual; a term may read states and the time as well. So it is nothing that
could be stored: it is written out wherever its name stands when the file is read, and nobody after that knows of it.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping

from twin.model.formula import is_input, is_record


def written_out(expression: ast.expr, terms: Mapping[str, ast.expr]) -> ast.expr:
    """A formula with every term in it replaced by what it stands for.

    >>> f = ast.parse("CL*C", mode="eval").body
    >>> ast.unparse(written_out(f, {"C": ast.parse("A/V", mode="eval").body}))
    'CL * (A / V)'
    """
    if not terms:
        return expression
    found = _Writer(terms).visit(copy.deepcopy(expression))
    assert isinstance(found, ast.expr)
    return found


class _Writer(ast.NodeTransformer):
    def __init__(self, terms: Mapping[str, ast.expr]) -> None:
        self._terms = terms

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if is_input(node) or is_record(node):
            # Arguments are a drug or an output, whatever a term may be called; only named ones are formulas.
            node.keywords = [self.visit(keyword) for keyword in node.keywords]
            return node
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        # A copy each time: trees are changed in place by nobody, but each place should be its own.
        return copy.deepcopy(self._terms.get(node.id, node))
