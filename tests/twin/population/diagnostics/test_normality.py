"""Tests of residuals find what is wrong with them, and agree with scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from twin.population.diagnostics.normality import normality, quantiles

NORMAL = np.random.default_rng(2).standard_normal(400)


def test_standard_normal_values_pass() -> None:
    found = normality(np.append(NORMAL, np.nan))
    assert found.values == 400
    assert found.p > 0.05
    assert found.mean_p == pytest.approx(stats.ttest_1samp(NORMAL, 0.0).pvalue)
    assert found.shape_p == pytest.approx(stats.shapiro(NORMAL).pvalue)


@pytest.mark.parametrize(
    ("values", "what"),
    [(NORMAL + 0.3, "mean_p"), (1.3 * NORMAL, "variance_p"), (np.sign(NORMAL) * NORMAL**2 / np.sqrt(3), "shape_p")],
)
def test_each_test_finds_what_it_looks_for(values: np.ndarray, what: str) -> None:
    found = normality(values)
    assert getattr(found, what) < 0.001
    assert found.p < 0.003


def test_too_few_values_and_values_that_stand_still_have_no_p() -> None:
    for values in (np.empty(0), np.ones(2), np.ones(9)):
        assert np.isnan(normality(values).p)


def test_quantiles_are_in_order_and_of_the_same_length() -> None:
    normal, own = quantiles(np.array([3.0, np.nan, -1.0, 0.5]))
    assert own.tolist() == [-1.0, 0.5, 3.0]
    np.testing.assert_allclose(stats.norm.cdf(normal), [1 / 6, 0.5, 5 / 6])
