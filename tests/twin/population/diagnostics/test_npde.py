"""NPDE are ranks among simulations, whitened, with a place for what is known only by a limit and for equals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.twin.toys import ABSORPTION
from twin.model.measured.error import ErrorSpec
from twin.modelfile.reader import parse_model
from twin.observation.observation import Observation
from twin.population.diagnostics.npde import npde
from twin.randomness import generator

TOY = parse_model(ABSORPTION, "toy.toml")
ADDITIVE = replace(TOY.outputs[0], error=ErrorSpec("additive", 1.0, 0.0, None, "a test", None))
LOGGED = replace(TOY.outputs[0], error=ErrorSpec("log_additive", 0.3, 0.0, None, "a test", None))
COUNTED = replace(TOY.outputs[0], kind="count")


def test_the_design_of_one_value_has_its_rank_among_the_simulations() -> None:
    simulations = np.linspace(-1, 1, 1001)[:, None]
    observation = Observation(0, "a", 0, 0.5)
    found = npde([observation], [ADDITIVE], simulations, generator("t"))
    assert found[0] == pytest.approx(stats.norm.ppf(0.75), abs=4e-3)
    beyond = npde([replace(observation, value=9.0)], [ADDITIVE], simulations, generator("t"))
    assert beyond[0] == pytest.approx(stats.norm.ppf(1 - 0.5 / 1001)), "finite, however far"


def test_correlated_values_are_decorrelated() -> None:
    rng = generator("decorrelate")
    covariance = np.array([[1.0, 0.9, 0.5], [0.9, 2.0, 0.8], [0.5, 0.8, 1.5]])
    factor = np.linalg.cholesky(covariance)
    simulations = 3.0 + rng.standard_normal((40_000, 3)) @ factor.T
    white = np.array([0.4, -1.1, 0.7])
    values = 3.0 + factor @ white
    observations = [Observation(i, str(i), 0, float(v)) for i, v in enumerate(values)]
    np.testing.assert_allclose(npde(observations, [ADDITIVE] * 3, simulations, rng), white, atol=0.03)


def test_a_logarithmic_error_is_judged_on_the_logarithm() -> None:
    simulations = np.exp(generator("log").standard_normal((20_000, 2)))
    observations = [Observation(0, "a", 0, float(np.exp(-1.3))), Observation(1, "b", 0, float(np.exp(0.6)))]
    np.testing.assert_allclose(npde(observations, [LOGGED] * 2, simulations, generator("t")), [-1.3, 0.6], atol=0.04)


@pytest.mark.slow
def test_a_censored_value_stands_somewhere_below_its_limit() -> None:
    simulations = generator("censored").standard_normal((5000, 1))
    observation = Observation(0, "a", 0, 0.0, below=-0.5)
    rng = generator("places")
    found = np.array([npde([observation], [ADDITIVE], simulations, rng)[0] for _ in range(300)])
    assert (found < -0.45).all()
    assert stats.kstest(stats.norm.cdf(found) / stats.norm.cdf(-0.5), "uniform").pvalue > 0.01


def test_a_value_above_a_limit_stands_somewhere_above_it() -> None:
    simulations = generator("above").standard_normal((5000, 1))
    observation = Observation(0, "a", 0, 0.5, above=0.5)
    rng = generator("places")
    found = np.array([npde([observation], [ADDITIVE], simulations, rng)[0] for _ in range(50)])
    assert (found > 0.45).all()


def test_a_count_takes_a_place_among_its_equals() -> None:
    simulations = generator("counts").poisson(2.0, (4000, 2)).astype(np.float64)
    rng = generator("places")
    values = generator("values").poisson(2.0, 600)
    observations = [[Observation(0, "a", 0, float(v)), Observation(1, "b", 0, float(v))] for v in values]
    found = np.array([npde(pair, [COUNTED] * 2, simulations, rng) for pair in observations])
    assert stats.kstest(found[:, 0], "norm").pvalue > 0.01
    assert stats.kstest(found[:, 1], "norm").pvalue > 0.01


def test_limits_that_simulations_share_keep_prediction_errors_standard_normal() -> None:
    """Values that hang together closely, of which a third is known only by a limit."""
    rng = generator("limited")
    factor = np.linalg.cholesky(np.full((4, 4), 0.9) + 0.1 * np.eye(4))
    simulations = rng.standard_normal((1500, 4)) @ factor.T
    limits = (np.full(4, -0.4), np.full(4, np.inf))
    found = []
    for values in rng.standard_normal((200, 4)) @ factor.T:
        seen = [
            Observation(i, str(i), 0, float(max(v, -0.4)), below=-0.4 if v < -0.4 else None)
            for i, v in enumerate(values)
        ]
        found.append(npde(seen, [ADDITIVE] * 4, simulations, rng, limits))
    every = np.concatenate(found)
    assert stats.kstest(every, "norm").pvalue > 0.01
    assert abs(np.var(every) - 1.0) < 4 * np.sqrt(2 / len(every))
