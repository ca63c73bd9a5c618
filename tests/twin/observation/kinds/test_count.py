"""Counts have the probabilities of SciPy, and their information is that of their score."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tests.twin.observation.outcomes import BINOMIAL, MEANS, POISSON, binomial, look
from twin.model.spec import OutputSpec
from twin.observation.kinds.count import KIND
from twin.randomness import generator


@pytest.mark.parametrize(("spec", "known"), [(POISSON, stats.poisson(MEANS[0])), (BINOMIAL, binomial(MEANS[0]))])
def test_counts_have_the_probabilities_of_scipy(spec: OutputSpec, known: stats.rv_discrete) -> None:
    for value in (0, 1, 7, 60):
        np.testing.assert_allclose(KIND.log_likelihood(spec, look(value), MEANS), known.logpmf(value), rtol=1e-9)
        low, high = KIND.levels(spec, look(value), MEANS)
        np.testing.assert_allclose(low, known.cdf(value - 1), rtol=1e-9)
        np.testing.assert_allclose(high, known.cdf(value), rtol=1e-9)
    assert binomial(MEANS[0]).var() == pytest.approx(MEANS[0] + 0.4 * MEANS[0] ** 2)


@pytest.mark.parametrize("spec", [POISSON, BINOMIAL], ids=["poisson", "binomial"])
def test_the_information_of_a_count_is_that_of_its_score(spec: OutputSpec) -> None:
    rows, step = np.array([[3.0]]), 1e-5
    place, weight = KIND.information(spec, rows)
    assert place[0, 0] == 3.0
    found = 0.0
    for value in range(200):
        here, there = (float(KIND.log_likelihood(spec, look(value), at)[0]) for at in (rows, rows + step))
        found += math.exp(here) * ((there - here) / step) ** 2
    assert weight[0, 0] == pytest.approx(found, rel=1e-3)


def test_counts_at_even_levels_have_the_mean_and_variance_of_their_law() -> None:
    found = KIND.at_levels(BINOMIAL, np.array([[4.0]]), generator("counts").random((1, 20_000)))
    assert found.mean() == pytest.approx(4.0, rel=0.03)
    assert found.var() == pytest.approx(4.0 + 0.4 * 16.0, rel=0.06)


def test_residuals_are_in_standard_deviations_about_the_mean() -> None:
    assert KIND.iwres(BINOMIAL, 9.0, 4.0) == pytest.approx(5.0 / math.sqrt(4.0 + 0.4 * 16.0))
    assert KIND.iwres(POISSON, 3.0, 4.0) == pytest.approx(-0.5)
    assert math.isfinite(KIND.iwres(POISSON, 1.0, 0.0))


def test_a_part_of_a_count_is_refused_and_any_number_of_them_is_not() -> None:
    assert KIND.refusal(POISSON, 2.5, limited=False) == "field 'value': 2.5 is no count of out; send a whole number"
    assert KIND.refusal(POISSON, 1e6, limited=True) is None


MEAN_AND_ZEROS = np.array([[0.4, 3.0, 8.0], [0.3, 0.1, 0.6]])


@pytest.mark.parametrize("spec", [POISSON, BINOMIAL], ids=["poisson", "binomial"])
def test_zeros_besides_are_a_mixture_with_0(spec: OutputSpec) -> None:
    mean, zeros = MEAN_AND_ZEROS
    known = stats.poisson(mean) if spec is POISSON else binomial(mean)
    for value in (0, 1, 7):
        expected = (1 - zeros) * known.pmf(value) + zeros * (value == 0)
        np.testing.assert_allclose(KIND.log_likelihood(spec, look(value), MEAN_AND_ZEROS), np.log(expected), rtol=1e-9)
        upto = zeros + (1 - zeros) * known.cdf(value)
        np.testing.assert_allclose(KIND.levels(spec, look(value), MEAN_AND_ZEROS)[1], upto, rtol=1e-9)
    drawn = KIND.at_levels(spec, MEAN_AND_ZEROS, generator("zeros").random((3, 20_000)))
    np.testing.assert_allclose(drawn.mean(axis=1), (1 - zeros) * mean, rtol=0.06)
    assert drawn.min() == 0.0


@pytest.mark.parametrize("spec", [POISSON, BINOMIAL], ids=["poisson", "binomial"])
def test_the_information_of_a_count_with_zeros_is_that_of_its_score(spec: OutputSpec) -> None:
    rows, h = np.array([[3.0], [0.2]]), 1e-5
    slopes, expected = np.zeros((2, 2)), np.zeros((2, 2))
    steps = [h * np.array([[1.0], [0.0]]), h * np.array([[0.0], [1.0]])]
    for value in range(200):
        here = float(KIND.log_likelihood(spec, look(value), rows)[0])
        score = np.array([(float(KIND.log_likelihood(spec, look(value), rows + step)[0]) - here) / h for step in steps])
        expected += math.exp(here) * np.outer(score, score)
    place, weight = KIND.information(spec, rows)
    for i, step in enumerate(steps):
        slopes[:, i] = (KIND.information(spec, rows + step)[0] - place)[:, 0] / h
    np.testing.assert_allclose(slopes.T @ np.diag(weight[:, 0]) @ slopes, expected, rtol=2e-3)
