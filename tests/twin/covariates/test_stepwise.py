"""A stepwise search decides by PsN's rules, whatever fits its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from twin.covariates.relations import Relation
from twin.covariates.stepwise import Fitted, Relations, Scope, Step, added, found, offered, stepwise, without

WEIGHT, AGE, SLOPES = (
    Relation("CL", "WT", "linear"),
    Relation("V", "AGE", "linear"),
    Relation("CL", "WT", "hockey-stick"),
)
SCOPE: Scope = {("CL", "WT"): ("linear", "hockey-stick"), ("V", "AGE"): ("linear",)}
SIZE = {"linear": 1, "hockey-stick": 2}


def search(gains: Mapping[Relation, float], included: Relations = (), **how: float) -> list[Step]:
    """A search in which each relation makes the objective of 100 less by its own gain."""

    def fits(wanted: Sequence[Relations], _: Fitted | None) -> list[Fitted]:
        return [
            Fitted(each, 100.0 - sum(gains[r] for r in each), 3 + sum(SIZE[r.shape] for r in each), {})
            for each in wanted
        ]

    return list(stepwise(fits, included, SCOPE, **how))


def test_the_most_significant_relation_is_added_until_none_is() -> None:
    steps = search({WEIGHT: 20.0, SLOPES: 21.0, AGE: 12.0})
    assert [(step.way, step.chosen and step.chosen.relation) for step in steps] == [
        ("forward", WEIGHT),
        ("forward", AGE),
        ("forward", None),
        ("backward", None),
    ]
    first = steps[0].tests[0]
    assert (first.drop, first.freedom) == (20.0, 1)
    assert first.goal == pytest.approx(3.8415, abs=1e-4)
    assert first.p == pytest.approx(7.744e-6, rel=1e-3)
    assert [test.relation for test in steps[2].tests] == [SLOPES]
    assert found(steps[-1]).relations == (WEIGHT, AGE)


def test_what_a_stricter_rule_does_not_keep_is_left_out_again() -> None:
    steps = search({WEIGHT: 20.0, SLOPES: 20.1, AGE: 5.0})
    backward = [step for step in steps if step.way == "backward"]
    assert [step.chosen and step.chosen.relation for step in backward] == [AGE, None]
    left_out = backward[0].chosen
    assert left_out is not None
    assert (left_out.drop, left_out.freedom) == (-5.0, -1)
    assert left_out.goal == pytest.approx(-6.6349, abs=1e-4)
    assert found(steps[-1]).relations == (WEIGHT,)
    # Forward alone keeps it.
    assert found(search({WEIGHT: 20.0, SLOPES: 20.1, AGE: 5.0}, p_backward=0.05)[-1]).relations == (WEIGHT, AGE)


def test_a_line_is_given_a_second_slope_and_loses_that_first() -> None:
    steps = search({WEIGHT: 20.0, SLOPES: 25.0, AGE: 0.0})
    assert [step.chosen and step.chosen.relation for step in steps] == [WEIGHT, SLOPES, None, SLOPES, None]
    assert found(steps[-1]).relations == (WEIGHT,)
    assert without((SLOPES,), SLOPES, {("CL", "WT"): ("hockey-stick",)}) == ()


def test_shapes_that_are_no_extension_are_offered_side_by_side() -> None:
    scope: Scope = {("CL", "WT"): ("linear", "power", "hockey-stick")}
    assert [each.shape for each in offered((), scope)] == ["linear", "power"]
    assert offered((Relation("CL", "WT", "power"),), scope) == []
    assert [each.shape for each in offered((WEIGHT,), scope)] == ["hockey-stick"]
    assert added((WEIGHT,), SLOPES, scope) == (SLOPES,)


def test_included_relations_are_there_from_the_beginning_and_may_go() -> None:
    steps = search({WEIGHT: 20.0, SLOPES: 20.0, AGE: 1.0}, included=(AGE,))
    assert steps[0].base.relations == (AGE,)
    assert found(steps[-1]).relations == (WEIGHT,)
