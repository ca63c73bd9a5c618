"""Stepwise search for covariates: forward as long as something is significant, then backward by a stricter rule.

Wahlby, Jonsson & Karlsson 2002 (AAPS PharmSci 4:27); rules of PsN's ``scm``. A *forward* step fits the model with each
relation that may be added and takes the one of the smallest p, if that is below ``p_forward``; p is of the drop of the
objective, chi-squared with as many degrees of freedom as there are coefficients more. A *backward* step fits the model
without each relation in turn and leaves out the one of the greatest p, if that is above ``p_backward``.

A pair that has no relation is offered every shape of its list that is no extension of another one in it; a pair that
has one is offered what extends it (a line a second slope), and going backward gives the extension up first.

Pure: what fits models is an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import special

from twin.covariates.relations import EXTENDS, Relation, Shape
from twin.population.results.comparison import chi_squared_tail

Way = Literal["forward", "backward"]

P_FORWARD, P_BACKWARD = 0.05, 0.01

Relations = tuple[Relation, ...]


@dataclass(frozen=True)
class Fitted:
    """A model with some relations, fitted.

    Attributes:
        relations: it has.
        objective: at the minimum.
        size: numbers that were free.
        numbers: where the search ended, by name.
        converged: whether it ended at a minimum; if not, the objective is only known to be at most that.
    """

    relations: Relations
    objective: float
    size: int
    numbers: Mapping[str, float]
    converged: bool = True


@dataclass(frozen=True)
class Test:
    """A candidate of a step, held against the step's base.

    Attributes:
        relation: added, or left out (then ``fitted`` has what stands in its place).
        drop: of the objective; negative where a relation is left out.
        goal: the drop at which the test turns.
        freedom: numbers that the candidate has more (or fewer).
    """

    relation: Relation
    fitted: Fitted
    drop: float
    goal: float
    freedom: int
    p: float
    significant: bool


@dataclass(frozen=True)
class Step:
    """One step: its candidates in the order of the scope, and the one that was taken, if any was."""

    number: int
    way: Way
    base: Fitted
    tests: tuple[Test, ...]
    chosen: Test | None


Fits = Callable[[Sequence[Relations], Fitted | None], list[Fitted]]
"""Fits models with these relations, each from where a smaller or larger one ended, in their order."""

Scope = Mapping[tuple[str, str], Sequence[Shape]]
"""Of every pair that is searched the shapes that it may have, in the order of tests."""


def stepwise(
    fits: Fits,
    included: Relations,
    scope: Scope,
    ways: Sequence[Way] = ("forward", "backward"),
    p_forward: float = P_FORWARD,
    p_backward: float = P_BACKWARD,
) -> Iterator[Step]:
    """Every step of a search, the last of each way being the one that took nothing.

    The model that a search ends with is the last step's ``chosen.fitted`` or, where it took nothing, its ``base``.
    """
    base, number = fits([included], None)[0], 0
    for way in ways:
        while True:
            number += 1
            step = (
                _forward(fits, base, scope, p_forward) if way == "forward" else _backward(fits, base, scope, p_backward)
            )
            yield Step(number, way, base, *step)
            if step[1] is None:
                break
            base = step[1].fitted


def found(step: Step) -> Fitted:
    """The model that stands after a step."""
    return step.base if step.chosen is None else step.chosen.fitted


def offered(relations: Relations, scope: Scope) -> list[Relation]:
    """What may be added to a model, in the order of the scope."""
    present = {relation.pair: relation.shape for relation in relations}
    return [
        Relation(*pair, shape)
        for pair, shapes in scope.items()
        for shape in shapes
        if (EXTENDS.get(shape) == present[pair] if pair in present else EXTENDS.get(shape) not in shapes)
    ]


def added(relations: Relations, new: Relation, scope: Scope) -> Relations:
    """The relations with another one, which takes the place of what it extends."""
    return _ordered((*(each for each in relations if each.pair != new.pair), new), scope)


def without(relations: Relations, gone: Relation, scope: Scope) -> Relations:
    """The relations without one: of an extension what it extends is left, where that is in the scope."""
    left = tuple(each for each in relations if each != gone)
    smaller = EXTENDS.get(gone.shape)
    if smaller is not None and smaller in scope.get(gone.pair, ()):
        left = (*left, Relation(*gone.pair, smaller))
    return _ordered(left, scope)


def _forward(fits: Fits, base: Fitted, scope: Scope, level: float) -> tuple[tuple[Test, ...], Test | None]:
    candidates = offered(base.relations, scope)
    made = fits([added(base.relations, each, scope) for each in candidates], base)
    tests = []
    for relation, fitted in zip(candidates, made, strict=True):
        freedom, drop = fitted.size - base.size, base.objective - fitted.objective
        p = chi_squared_tail(drop, freedom)
        tests.append(Test(relation, fitted, drop, float(special.chdtri(freedom, level)), freedom, p, p < level))
    best = min((test for test in tests if test.significant), key=lambda test: (test.p, -test.drop), default=None)
    return tuple(tests), best


def _backward(fits: Fits, base: Fitted, scope: Scope, level: float) -> tuple[tuple[Test, ...], Test | None]:
    candidates = list(base.relations)
    made = fits([without(base.relations, each, scope) for each in candidates], base)
    tests = []
    for relation, fitted in zip(candidates, made, strict=True):
        freedom, drop = base.size - fitted.size, base.objective - fitted.objective
        p = chi_squared_tail(-drop, freedom)
        goal = -float(special.chdtri(freedom, level))
        tests.append(Test(relation, fitted, drop, goal, -freedom, p, p < level))
    weakest = max((test for test in tests if not test.significant), key=lambda test: (test.p, test.drop), default=None)
    return tuple(tests), weakest


def _ordered(relations: Relations, scope: Scope) -> Relations:
    """In the order of the scope, so that the same relations are the same model however they came together."""
    place = {pair: number for number, pair in enumerate(scope)}
    return tuple(sorted(relations, key=lambda each: (place.get(each.pair, len(place)), each)))
