"""Trends are those of scipy; covariates have categories where they have few whole values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.twin.population.diagnostics import cohorts
from twin.population.diagnostics.effects import covariates_of, difference, strata, trend

RNG = np.random.default_rng(8)


def test_a_trend_is_the_line_of_least_squares() -> None:
    x = RNG.random(30)
    y = 0.5 * x + RNG.standard_normal(30)
    found, known = trend(np.append(x, np.nan), np.append(y, 1.0)), stats.linregress(x, y)
    assert found == pytest.approx((known.intercept, known.slope, known.rvalue, known.pvalue))


def test_what_stands_still_has_no_trend() -> None:
    assert np.isnan(trend(np.ones(5), np.arange(5.0))).all()
    assert np.isnan(trend(np.array([1.0, 2.0]), np.array([1.0, 2.0]))).all()


def test_groups_are_compared_by_their_variance() -> None:
    groups = [RNG.standard_normal(9) + shift for shift in (0.0, 0.5, 1.5)]
    assert difference(groups) == pytest.approx(stats.f_oneway(*groups).pvalue)
    assert np.isnan(difference([groups[0], np.empty(0)]))


def test_covariates_are_those_of_the_model_and_make_groups() -> None:
    weight, sex = covariates_of(cohorts.mixed())
    assert (weight.name, weight.unit, weight.levels) == ("WT", "kg", ())
    assert sex.levels == (("0", 0.0), ("1", 1.0))
    assert [(name, which.sum()) for name, which in strata(sex)] == [("SEX 0", 20.0), ("SEX 1", 20.0)]
    (below, low), (above, high) = strata(weight)
    assert below.startswith("WT ≤ ")
    assert above.startswith("WT > ")
    np.testing.assert_array_equal(low + high, np.ones(40))
