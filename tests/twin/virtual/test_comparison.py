"""Arms compared."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from twin.virtual.comparison import compare, p_value, wilson
from twin.virtual.endpoints import Endpoint

SHARE = Endpoint("grade 4", "below", "n", 0.5)
VALUE = Endpoint("nadir", "lowest", "n")


def test_arms_that_treat_the_same_patients_alike_do_not_differ_at_all() -> None:
    values = np.random.default_rng(1).normal(size=(30, 40, 1, 1)).repeat(2, axis=2)
    first, second = compare([VALUE], ["a", "b"], values, 0.05)
    assert first.difference is None
    assert second.difference is not None
    assert (second.difference.value, second.difference.low, second.difference.high) == (0.0, 0.0, 0.0)
    assert first.value.value == second.value.value


def test_false_finds_are_as_many_as_the_level_says() -> None:
    values = np.random.default_rng(2).normal(size=(600, 60, 2, 1))
    power = compare([VALUE], ["a", "b"], values, 0.05)[1].power
    assert power is not None
    assert power.low <= 0.05 <= power.high


def test_power_is_that_of_the_test_by_its_formula() -> None:
    # Two groups of 30 of unit variance that are 0.8 apart: noncentral t (Cohen 1988).
    values = np.random.default_rng(3).normal(size=(800, 60, 2, 1)) + np.array([0.0, 0.8])[:, None]
    power = compare([VALUE], ["a", "b"], values, 0.05)[1].power
    shift, freedom = 0.8 * np.sqrt(15), 58
    expected = stats.nct.sf(stats.t.ppf(0.975, freedom), freedom, shift)
    assert power is not None
    assert power.share == pytest.approx(expected, abs=0.05)


def test_who_does_not_count_is_left_out_of_pairs() -> None:
    values = np.array([[[[1.0], [2.0]], [[np.nan], [5.0]], [[3.0], [4.0]]]])
    first, second = compare([VALUE], ["a", "b"], values, 0.05)
    assert (first.counted, second.counted) == (2, 3)
    assert second.difference is not None
    assert second.difference.value == 1.0


def test_nothing_counted_is_no_figure_and_no_power() -> None:
    _, second = compare([SHARE], ["a", "b"], np.full((2, 4, 2, 1), np.nan), 0.05)
    assert np.isnan(second.value.value)
    assert second.power is None


def test_a_share_is_tested_exactly() -> None:
    assert p_value(SHARE, np.array([1.0] * 8 + [0.0] * 2), np.array([0.0] * 8 + [1.0] * 2)) == pytest.approx(
        0.0230, abs=1e-4
    )
    assert p_value(VALUE, np.ones(3), np.ones(3)) == 1.0
    assert p_value(VALUE, np.ones(1), np.ones(3)) == 1.0


def test_the_interval_of_a_share_covers_as_wilson_has_it() -> None:
    # Wilson's interval by its definition: the shares at which |found - n p| is 1.645 standard errors.
    low, high = wilson(7, 20)
    for end in (low, high):
        assert abs(7 / 20 - end) == pytest.approx(1.6448536 * np.sqrt(end * (1 - end) / 20), rel=1e-6)
