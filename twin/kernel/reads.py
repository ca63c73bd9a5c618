"""Which columns of the covariate vector the functions of a kernel read, and so where a solution has to stop.

A record is full of changes that do not concern the equations: a covariate that nothing reads, the number of a dose that
only scales it when it is given (`twin.model.coefficients`). What is solved goes on over those.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import NamedTuple

from twin.model.formula import arguments_of, names_in
from twin.model.spec import Model
from twin.model.structure import Structure


class Reads(NamedTuple):
    """Names of covariates and functions of the record.

    Attributes:
        shaping: what the linear block, the timing of doses, or a parameter is made of that any function reads.
        heeded: these, and what stepped equations, initial values or outputs read besides.
    """

    shaping: frozenset[str]
    heeded: frozenset[str]


def reads_of(model: Model, structure: Structure) -> Reads:
    """What the functions of a model's kernel read, but for what doses are weighed by."""
    block: set[str] = set()
    for name in structure.linear:
        equation = structure.equations[name]
        block |= _names([*equation.states.values(), *equation.inputs.values(), equation.rest])
    block |= _names(formula for call in structure.late for formula in arguments_of(call)[2].values())
    block |= _names(structure.fractions.values())
    others = _names(state.initial for state in model.states)
    for name in structure.stepped:
        others |= _names([*structure.equations[name].inputs.values(), structure.equations[name].rest])
    others |= _names(formula for output in model.outputs for formula in (output.expression, *output.further))
    others |= _names(target.expression for target in model.targets)
    shaping = block | _made_of(block | others, model, structure)
    return Reads(frozenset(shaping), frozenset(shaping | others))


def _made_of(read: set[str], model: Model, structure: Structure) -> set[str]:
    """What the parameters and derived values among ``read`` are made of."""
    reached = set(read)
    for derived in reversed(model.derived):
        if derived.name in reached:
            reached |= names_in(derived.expression)
    # In a covariate effect the name of a parameter means its value before any.
    effects = [p.expression for p in model.parameters if p.name in reached]
    derived_ones = [d.expression for d in model.derived if d.name in reached]
    return _names([*effects, *derived_ones, *structure.unweighed.values()])


def _names(formulas: Iterable[ast.expr | None]) -> set[str]:
    return set().union(*(names_in(formula) for formula in formulas if formula is not None))
