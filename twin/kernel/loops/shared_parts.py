"""What several formulas have in common, computed once.

A term is written out wherever a model's equations name it (`twin.model.terms`), and a derivative repeats what it is the
derivative of: by the rules of products and quotients each part of a formula stands in all slopes that it bears on. As
statements one after another, with a local variable for each part that occurs more than once, the equations of an
evaluation come to as many operations as a forward pass of differentiation over the terms has.

    a = V*A/(K + A);  b = -V*A/(K + A)      becomes      part_0 = V*A/(K + A);  a = part_0;  b = -part_0

No operation is changed, added or moved into another, so that every value keeps its bits.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Sequence

Statement = tuple[str, str]
"""What is assigned to, and the source of its value."""

WORTH_SHARING = 100
"""Operations from which on it counts that they are written once: a few that are repeated the compiler finds by itself,
and the code of a model that has no more stays as it is, and with it the hash of what computed its twins."""

_LEAVES = (ast.Name, ast.Constant, ast.Subscript)


def economical(statements: Sequence[Statement]) -> list[Statement]:
    """The statements, `with_shared_parts` where that saves much (`WORTH_SHARING`)."""
    shared = with_shared_parts(statements)
    return shared if _operations(statements) - _operations(shared) >= WORTH_SHARING else list(statements)


def with_shared_parts(statements: Sequence[Statement]) -> list[Statement]:
    """The same assignments, and before each the parts that it is the first to need of those which occur again.

    Values have no side effects, and none reads what another statement assigns.

    >>> with_shared_parts([("a", "f(x * y) + 1.0"), ("b", "x * y"), ("c", "-f(x * y)")])
    [('part_0', 'x * y'), ('part_1', 'f(part_0)'), ('a', 'part_1 + 1.0'), ('b', 'part_0'), ('c', '-part_1')]
    """
    trees = [(target, ast.parse(source, mode="eval").body) for target, source in statements]
    parts = _Parts()
    for _, tree in trees:
        parts.uses[parts.number(tree)] += 1
    for target, tree in trees:
        value = ast.unparse(parts.visit(tree))
        parts.written.append((target, value))
    return parts.written


class _Parts(ast.NodeTransformer):
    """Numbers parts, equal ones alike; then replaces those that are used more than once by local variables.

    Attributes:
        uses: of each part, in how many places of different parts and statements it stands.
        written: statements so far.
    """

    def __init__(self) -> None:
        self.uses: list[int] = []
        self.written: list[Statement] = []
        self._numbers: dict[Hashable, int] = {}
        self._number_of: dict[int, int] = {}
        self._locals: dict[int, str] = {}

    def number(self, node: ast.AST) -> int:
        """The number of a part, the same for equal ones."""
        below: list[int] = []
        key = (type(node), *(self._field(value, below) for _, value in ast.iter_fields(node)))
        number = self._number_of[id(node)] = self._numbers.setdefault(key, len(self.uses))
        if number == len(self.uses):
            self.uses.append(0)
            for part in below:
                self.uses[part] += 1
        return number

    def _field(self, value: object, below: list[int]) -> Hashable:
        if isinstance(value, list):
            return tuple(self._field(each, below) for each in value)
        if isinstance(value, ast.AST):
            below.append(self.number(value))
            return below[-1]
        return repr(value)

    def visit(self, node: ast.AST) -> ast.AST:
        """The part as it is written, after what has to be written before it."""
        number = self._number_of[id(node)]
        if number in self._locals:
            return ast.Name(self._locals[number], ast.Load())
        if isinstance(node, _LEAVES):
            return node
        self.generic_visit(node)
        if self.uses[number] == 1 or not isinstance(node, ast.expr) or _is_leaf(node):
            return node
        name = self._locals[number] = f"part_{len(self._locals)}"
        self.written.append((name, ast.unparse(node)))
        return ast.Name(name, ast.Load())


def _is_leaf(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.operand, _LEAVES)


def _operations(statements: Sequence[Statement]) -> int:
    """How many operations and calls statements come to as they are written."""
    trees = (ast.walk(ast.parse(source, mode="eval")) for _, source in statements)
    return sum(isinstance(node, ast.BinOp | ast.Call) for tree in trees for node in tree)
