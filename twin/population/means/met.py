"""Which effects the data of a patient have met: all others are as their prior has them, whatever was measured.

Of an occasion that a patient has not had no kappa is met, nor what a step adds that its drift has not taken, nor what
the lack of a characteristic does that was reported. Of a member of a mixture (`twin.population.mixture`) no effect is
that the equations of its class do not read, as those of the volume that another class has; a block of Omega of which
one is read counts as met, for the others hang together with that.
"""

from __future__ import annotations

import ast

import numpy as np
from numpy.typing import NDArray

from twin.model.formula import evaluate, names_in
from twin.model.spec import Model
from twin.population.cohort import Cohort
from twin.population.factors import blocks_of
from twin.population.results.untold import read_by
from twin.population.theta import effect_names


def met(cohort: Cohort) -> NDArray[np.bool_]:
    """(N, D) of a cohort's effects."""
    model, parts = cohort.kernel.model, cohort.parts
    found = np.ones((len(cohort), cohort.effects), dtype=np.bool_)
    for i, subject in enumerate(cohort.subjects):
        for part in (*parts["iov"][len(subject.occasions) :], *parts["drift"][len(subject.steps) :]):
            found[i, part] = False
        for part in parts["widens"]:
            found[i, part] = cohort.columns.lacking(subject)
    if model.mixture is None:
        return found
    outputs = {observation.output for subject in cohort.subjects for observation in subject.observations}
    column = [one.name for one in model.covariates].index(model.mixture.covariate)
    patterns = cohort.theta.patterns
    for value in model.mixture.values:
        read = read_by(model, outputs, lambda formula, value=value: in_class(formula, model, value))  # type: ignore[misc]
        of_class = [subject.timeline.covariates[-1, column] == value for subject in cohort.subjects]
        unread = [
            part.start + row
            for level, of_level in parts.items()
            for row in _unread(effect_names(model, level), blocks_of(patterns[level]), read)
            for part in of_level
        ]
        found[np.ix_(np.flatnonzero(of_class), np.array(unread, dtype=np.int64))] = False
    return found


def in_class(formula: ast.expr, model: Model, value: float) -> ast.expr:
    """A formula as it is where the class has a value: of ``where(class == 1, a, b)`` only the one that holds."""
    assert model.mixture is not None, "only of a mixture"
    folded = _Folded(model.mixture.covariate, value).visit(formula)
    assert isinstance(folded, ast.expr)
    return folded


class _Folded(ast.NodeTransformer):
    def __init__(self, name: str, value: float) -> None:
        self._name, self._value = name, value

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "where" and names_in(node.args[0]) == {self._name}:
            holds = evaluate(node.args[0], {self._name: self._value})
            return self.visit(node.args[1 if holds else 2])  # type: ignore[no-any-return]
        kept = ast.Call(
            node.func,
            [self.visit(one) for one in node.args],
            [ast.keyword(one.arg, self.visit(one.value)) for one in node.keywords],
        )
        return ast.copy_location(kept, node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        fields = {
            name: [self.visit(one) for one in field] if isinstance(field, list)
            else self.visit(field) if isinstance(field, ast.AST) else field
            for name, field in ast.iter_fields(node)
        }  # fmt: skip
        return ast.copy_location(type(node)(**fields), node)


def _unread(names: tuple[str, ...], blocks: list[frozenset[int]], read: frozenset[str]) -> list[int]:
    read_of = [name.rpartition(".")[2] in read for name in names]  # of what is lacking by its parameter
    return [row for block in blocks if not any(read_of[one] for one in block) for row in block]
