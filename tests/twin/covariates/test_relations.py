"""A relation is a formula that is 1 without effect, with bounds that keep it positive."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from twin.covariates.characteristics import Characteristic, CovariateError
from twin.covariates.relations import Relation, Shape, begun_at, coefficients, factor
from twin.model.formula import evaluate, parse_expression

WEIGHT = Characteristic("WT", "kg", 1.3, 0.6, 3.6)
SEX = Characteristic("SEX", "1", 0.0, 0.0, 2.0, (0.0, 1.0, 2.0))


def value(relation: Relation, of: Characteristic, at: float, numbers: dict[str, float]) -> float:
    formula = parse_expression(factor(relation, of), {of.name, *numbers})
    return float(np.asarray(evaluate(formula, {of.name: at, **numbers})))


@pytest.mark.parametrize(
    ("shape", "numbers", "at", "known"),
    [
        ("linear", {"CL_WT": 0.5}, 2.3, 1.5),
        ("hockey-stick", {"CL_WT_below": 0.5, "CL_WT_above": 0.2}, 2.3, 1.2),
        ("hockey-stick", {"CL_WT_below": 0.5, "CL_WT_above": 0.2}, 0.9, 0.8),
        ("exponential", {"CL_WT": 0.5}, 2.3, math.exp(0.5)),
        ("power", {"CL_WT": 0.75}, 2.6, 2**0.75),
    ],
)
def test_a_continuous_relation_is_what_its_formula_says(
    shape: Shape, numbers: dict[str, float], at: float, known: float
) -> None:
    relation = Relation("CL", "WT", shape)
    assert value(relation, WEIGHT, at, numbers) == pytest.approx(known)
    assert value(relation, WEIGHT, at, dict.fromkeys(numbers, 0.0)) == 1.0
    assert value(relation, WEIGHT, WEIGHT.centre, numbers) == 1.0
    assert [each.name for each in coefficients(relation, WEIGHT)] == list(numbers)


def test_every_category_but_the_commonest_has_a_number() -> None:
    relation, numbers = Relation("V", "SEX", "categorical"), {"V_SEX_1": 0.3, "V_SEX_2": -0.2}
    assert [value(relation, SEX, at, numbers) for at in (0.0, 1.0, 2.0)] == [1.0, 1.3, 0.8]
    below = replace(SEX, centre=-1.5, levels=(-1.5, 0.5))
    assert [each.name for each in coefficients(relation, below)] == ["V_SEX_0p5"]
    assert value(relation, below, -1.5, {"V_SEX_0p5": 1.0}) == 1.0


def test_bounds_are_those_of_psn_and_keep_factors_positive() -> None:
    (line,) = coefficients(Relation("CL", "WT", "linear"), WEIGHT)
    assert (line.low, line.high) == (pytest.approx(-1 / 2.3, rel=2e-3), pytest.approx(1 / 0.7, rel=2e-3))
    assert line.unit == "1/kg"
    for at in (WEIGHT.low, WEIGHT.high):
        for slope in (line.low, line.high):
            assert value(Relation("CL", "WT", "linear"), WEIGHT, at, {"CL_WT": slope}) > 0.0
    below, above = coefficients(Relation("CL", "WT", "hockey-stick"), WEIGHT)
    assert (below.low, above.high) == (-math.inf, math.inf)
    (exponent,) = coefficients(Relation("CL", "WT", "exponential"), WEIGHT)
    assert exponent.high == pytest.approx(2.00224790695134)
    (per,) = coefficients(Relation("CL", "CRCL", "linear"), replace(WEIGHT, name="CRCL", unit="mL/min"))
    assert per.unit == "1/(mL/min)"


def test_a_second_slope_begins_where_the_line_ended() -> None:
    relation = Relation("CL", "WT", "hockey-stick")
    assert begun_at(relation, WEIGHT, {"CL_WT": 0.4}) == {"CL_WT_below": 0.4, "CL_WT_above": 0.4}
    assert begun_at(Relation("V", "WT", "linear"), WEIGHT, {"CL_WT": 0.4}) == {"V_WT": 0.0}


@pytest.mark.parametrize(
    ("shape", "of", "said"),
    [
        ("linear", replace(WEIGHT, low=2.0, high=2.0), "WT is 2 in every patient"),
        ("categorical", WEIGHT, "WT is continuous; its shape is linear"),
        ("linear", replace(SEX, name="WT"), r"WT is categorical \(3 values\); its shape is categorical"),
        ("power", replace(WEIGHT, low=-1.0), "WT goes down to -1; a power needs values above 0"),
        ("hockey-stick", replace(WEIGHT, low=1.3), "nobody has less"),
        ("cubic", WEIGHT, "'cubic' is no shape; the shapes are linear"),
    ],
)
def test_a_shape_that_the_covariate_does_not_bear_is_refused(shape: Shape, of: Characteristic, said: str) -> None:
    with pytest.raises(CovariateError, match=said):
        coefficients(Relation("CL", "WT", shape), of)
