"""Chains that mix are told from those that do not, and draws are worth what they are."""

from __future__ import annotations

import numpy as np
import pytest

from twin.population.sampling.posterior import Posterior, effective, r_hat


def test_independent_draws_are_worth_themselves_and_correlated_ones_less() -> None:
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((4, 2000, 2))
    for n in range(1, 2000):
        noise[:, n, 1] = 0.9 * noise[:, n - 1, 1] + np.sqrt(1 - 0.81) * noise[:, n, 1]
    found = effective(noise)
    assert found[0] > 6000
    # (1 - 0.9) / (1 + 0.9) of 8000.
    assert found[1] == pytest.approx(421, rel=0.4)
    assert r_hat(noise)[0] == pytest.approx(1.0, abs=0.01)


def test_chains_that_disagree_are_named() -> None:
    draws = np.random.default_rng(1).standard_normal((4, 200, 2))
    draws[0, :, 1] += 3.0
    found = Posterior(("CL", "V"), draws, "flat")
    assert found.problem.startswith("chains of 200 draws disagree on V: R-hat 1.")
    still = Posterior(("CL",), np.ones((2, 50, 1)), "flat")
    assert still.r_hat[0] == 1.0
    assert still.quantiles.shape == (3, 1)


def test_chains_that_differ_in_spread_alone_disagree() -> None:
    draws = np.random.default_rng(1).standard_normal((4, 1000, 1))
    draws[0] *= 4.0
    assert r_hat(draws)[0] < 1.01
    assert Posterior(("CL",), draws, "flat").r_hat[0] > 1.05


def test_tails_that_are_seldom_seen_make_draws_worth_less() -> None:
    rng = np.random.default_rng(4)
    draws = rng.standard_normal((4, 2000, 1))
    at = np.arange(400)
    draws[:, at, 0] = np.abs(draws[:, at, 0]) + 2.0  # one visit to the tail
    assert Posterior(("CL",), draws, "flat").effective[0] < 0.3 * effective(draws)[0] + 100


def test_too_few_draws_are_said() -> None:
    draws = np.random.default_rng(1).standard_normal((2, 40, 1))
    assert "independent ones" in Posterior(("CL",), draws, "flat").problem
