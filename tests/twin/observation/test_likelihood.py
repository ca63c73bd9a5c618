"""Transforms are even under the right model, and an uncertain time of drawing weighs the mean over its moments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.twin.observation.outcomes import BINOMIAL, GRADES, LEVEL, MEANS, POISSON, SHARES, look
from twin.arrays import Floats
from twin.filter.expectation import expectation
from twin.model.spec import OutputSpec
from twin.observation.kinds import kind_of
from twin.observation.likelihood import level, log_likelihood, spread_out
from twin.observation.observation import MeasuredValue
from twin.observation.sampling_time import MOMENT_WEIGHTS
from twin.randomness import generator


@pytest.mark.parametrize(
    ("spec", "rows"), [(POISSON, MEANS), (BINOMIAL, MEANS), (GRADES, SHARES)], ids=["poisson", "binomial", "grades"]
)
def test_transforms_of_drawn_values_are_even(spec: OutputSpec, rows: Floats) -> None:
    rng = generator("even", spec.error.kind, spec.kind)
    rows = rows[:, :1]
    values = kind_of(spec).at_levels(spec, rows, rng.random((1, 800)))[0]
    shares = rng.random(800)
    pits = [expectation(spec, look(v), rows, np.ones(1), s).pit for v, s in zip(values, shares, strict=True)]
    assert stats.kstest(pits, "uniform").pvalue > 0.01


def test_the_predictive_distribution_of_a_grade_mixes_those_of_the_particles() -> None:
    rows = np.repeat(SHARES, 500, axis=1)
    weight = np.repeat([0.25, 0.75], 500) / 500
    mixed = SHARES @ np.array([0.25, 0.75])
    values = spread_out(GRADES, look(0), rows, 16)
    found = [(weight[:, None] * (values == grade)).sum() / 16 for grade in range(3)]
    np.testing.assert_allclose(found, mixed, atol=2e-3)
    told = expectation(GRADES, look(0), rows, weight)
    assert told.quantiles.tolist() == [0.0, 1.0, 2.0, 2.0, 2.0]
    mean = mixed @ np.arange(3)
    spread = np.sqrt(mixed @ (np.arange(3) - mean) ** 2)
    assert told.innovation == pytest.approx((0 - mean) / spread, rel=1e-2)


def test_an_uncertain_time_weighs_the_mean_over_its_moments() -> None:
    rows = np.linspace(1.0, 2.0, len(MOMENT_WEIGHTS))[:, None, None] * np.array([[1.0, 3.0]])
    seen = look(1.7)
    each = np.exp([log_likelihood(LEVEL, seen, at) for at in rows])
    np.testing.assert_allclose(np.exp(log_likelihood(LEVEL, seen, rows)), MOMENT_WEIGHTS @ each, rtol=1e-12)
    below = np.array([level(LEVEL, seen, at, 0.5) for at in rows])
    np.testing.assert_allclose(level(LEVEL, seen, rows, 0.5), MOMENT_WEIGHTS @ below, rtol=1e-12)


def test_what_is_expected_of_an_uncertain_time_is_spread_over_its_moments() -> None:
    rng = generator("uncertain")
    predicted = np.linspace(1.0, 3.0, len(MOMENT_WEIGHTS))
    rows = np.repeat(predicted[:, None, None], 1000, axis=2)
    levels = np.sort(spread_out(LEVEL, look(1.0), rows, 16).ravel())
    moment = rng.choice(len(predicted), 16_000, p=MOMENT_WEIGHTS)
    simulated = np.sort(predicted[moment] * np.exp(0.25 * rng.standard_normal(16_000)))
    np.testing.assert_allclose(np.log(levels[800:-800:400]), np.log(simulated[800:-800:400]), atol=0.03)


def test_a_replicate_is_expected_near_the_first_one() -> None:
    correlated = replace(LEVEL, error=replace(LEVEL.error, replicate_correlation=0.9))
    alone = expectation(correlated, look(2.0), np.ones((1, 50)), np.full(50, 1 / 50))
    second = expectation(correlated, look(2.0, earlier=(MeasuredValue(2.0),)), np.ones((1, 50)), np.full(50, 1 / 50))
    assert abs(second.innovation) < 0.8 < 2.5 < alone.innovation
    assert second.quantiles[2] == pytest.approx(np.exp(0.9 * np.log(2.0)), rel=0.02)
