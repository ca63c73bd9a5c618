"""Counts, grades and events: probabilities sum to one, agree with SciPy's, and PITs are even under the right model."""

from __future__ import annotations

import ast
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from twin.arrays import Floats
from twin.filter.expectation import expectation
from twin.model.spec import NO_ERROR, ErrorSpec, OutputKind, OutputSpec
from twin.observation.likelihood import drawn, level, log_likelihood, spread_out
from twin.observation.observation import MeasuredValue, Observation
from twin.observation.sampling_time import MOMENT_WEIGHTS
from twin.randomness import generator

NOTHING = ast.Constant(0.0)


def output(kind: OutputKind, error: ErrorSpec = NO_ERROR) -> OutputSpec:
    return OutputSpec("out", "1", NOTHING, error, (), None, kind, ())


POISSON = output("count", ErrorSpec("poisson", 0.0, 0.0, None, None, None))
BINOMIAL = output("count", ErrorSpec("negative_binomial", 0.0, 0.0, None, "a test", None, dispersion=0.4))
GRADES = output("ordinal")
EVENT = output("event")
LEVEL = output("continuous", ErrorSpec("log_additive", 0.25, 0.0, None, "a test", None))

MEANS = np.array([[0.3, 2.5, 40.0]])
SHARES = np.array([[0.6, 0.1], [0.3, 0.1], [0.1, 0.8]])
HAZARDS = np.array([[0.2, 1.5], [0.05, 0.4]])


def look(value: float, **more: object) -> Observation:
    return Observation(0, "look", 0, value, **more)  # type: ignore[arg-type]


def binomial(mean: Floats) -> stats.rv_discrete:
    return stats.nbinom(1 / 0.4, 1 / (1 + 0.4 * mean))


@pytest.mark.parametrize(("spec", "known"), [(POISSON, stats.poisson(MEANS[0])), (BINOMIAL, binomial(MEANS[0]))])
def test_counts_have_the_probabilities_of_scipy(spec: OutputSpec, known: stats.rv_discrete) -> None:
    for value in (0, 1, 7, 60):
        np.testing.assert_allclose(log_likelihood(spec, look(value), MEANS), known.logpmf(value), rtol=1e-9)
        np.testing.assert_allclose(level(spec, look(value), MEANS, 1.0), known.cdf(value), rtol=1e-9)
        np.testing.assert_allclose(level(spec, look(value), MEANS, 0.0), known.cdf(value - 1), rtol=1e-9)
    assert binomial(MEANS[0]).var() == pytest.approx(MEANS[0] + 0.4 * MEANS[0] ** 2)


@pytest.mark.parametrize(("spec", "rows"), [(POISSON, MEANS), (BINOMIAL, MEANS), (GRADES, SHARES)])
def test_below_at_and_above_are_all_there_is(spec: OutputSpec, rows: Floats) -> None:
    parts = [look(9, below=1.0), look(1), look(9, above=1.0)]
    total = sum(np.exp(log_likelihood(spec, part, rows)) for part in parts)
    np.testing.assert_allclose(total, 1.0, rtol=1e-9)


def test_a_grade_weighs_its_probability() -> None:
    for grade in range(3):
        np.testing.assert_allclose(np.exp(log_likelihood(GRADES, look(grade), SHARES)), SHARES[grade], rtol=1e-12)
    np.testing.assert_allclose(level(GRADES, look(1), SHARES, 0.5), SHARES[0] + SHARES[1] / 2)


def test_a_grade_that_a_patient_cannot_have_is_impossible_and_no_warning() -> None:
    assert log_likelihood(GRADES, look(0), np.array([[0.0], [1.0], [0.0]]))[0] < -600


def test_an_event_weighs_its_hazard_and_the_time_without() -> None:
    np.testing.assert_allclose(log_likelihood(EVENT, look(0), HAZARDS), -HAZARDS[0])
    np.testing.assert_allclose(log_likelihood(EVENT, look(1), HAZARDS), np.log(HAZARDS[1]) - HAZARDS[0])
    again = look(1, earlier=(MeasuredValue(0.0),))
    np.testing.assert_allclose(log_likelihood(EVENT, again, HAZARDS), np.log(HAZARDS[1]))


@pytest.mark.parametrize(
    ("spec", "rows"), [(POISSON, MEANS), (BINOMIAL, MEANS), (GRADES, SHARES)], ids=["poisson", "binomial", "grades"]
)
def test_transforms_of_drawn_values_are_even(spec: OutputSpec, rows: Floats) -> None:
    rng = generator("even", spec.error.kind, spec.kind)
    rows = rows[:, :1]
    values = drawn(spec, rows, rng.random((1, 800)))[0]
    shares = rng.random(800)
    pits = [expectation(spec, look(v), rows, np.ones(1), s).pit for v, s in zip(values, shares, strict=True)]
    assert stats.kstest(pits, "uniform").pvalue > 0.01


def test_transforms_of_events_are_even_whether_they_came_or_not() -> None:
    rng = generator("even", "event")
    rate, looked = 0.1, 8.0
    times = rng.exponential(1 / rate, 2000)
    pits = []
    for time, share in zip(times, rng.random(2000), strict=True):
        came = float(time <= looked)
        rows = np.array([[rate * min(time, looked)], [rate]])
        pits.append(expectation(EVENT, look(came), rows, np.ones(1), share).pit)
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
