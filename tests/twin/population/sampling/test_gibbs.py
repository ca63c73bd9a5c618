"""Draws of a population have the posterior that closed forms give, and priors are heeded."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.twin.population.sampling.test_saem import cohort_of_normal
from tests.twin.population.test_theta import model as three_effects
from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.importance.density import Density
from twin.population.means.means import Means
from twin.population.prior import Known, Prior
from twin.population.sampling.gibbs import (
    FREEDOM,
    WIDE,
    inverse_wishart,
    inverses,
    mean_drawn,
    omega_drawn,
    sampled,
    stated,
)
from twin.population.theta import FitError, Theta


def age_of(cohort: Cohort) -> Floats:
    return np.array([subject.timeline.covariates[-1, 0] for subject in cohort.subjects])


def test_given_individuals_the_posterior_is_normal_inverse_wishart() -> None:
    cohort = cohort_of_normal()
    means, theta, rng = Means(cohort), cohort.theta, np.random.default_rng(2)
    age = age_of(cohort)
    psi = 1.4 - 0.2 * age + 0.3 * rng.standard_normal(len(age))
    vector, known, found = theta.pack(theta.start), inverses(theta), []
    for _ in range(2000):
        eta = (psi - means.at(vector)[:, 0])[:, None]
        vector = mean_drawn(means, theta, vector, eta, 0, rng)
        eta = (psi - means.at(vector)[:, 0])[:, None]
        vector = omega_drawn(known, means, theta, vector, eta, rng)
        found.append(theta.natural(vector))
    draws = dict(zip(theta.names, np.array(found[100:]).T, strict=True))
    # Flat in the coefficients, which integrates to two degrees less; standard deviations half-t around 3 of 0.3.
    design = np.stack([np.ones_like(age), age], axis=1)
    best = np.linalg.lstsq(design, psi, rcond=None)[0]
    rest, degrees = psi - design @ best, len(age) - 2
    sd = np.linspace(0.05, 2.0, 40_000)
    half_t = (1.0 + sd**2 / (FREEDOM * WIDE**2 * 0.09)) ** (-0.5 * (FREEDOM + 1.0))
    law = np.cumsum(sd**-degrees * np.exp(-0.5 * (rest @ rest) / sd**2) * half_t)
    of_sd = np.sqrt(draws["omega.Base"][::4])
    assert stats.kstest(of_sd, lambda x: np.interp(x, sd, law / law[-1])).pvalue > 0.01
    along = draws["by_age"] - best[1]
    spread = np.sqrt(np.linalg.inv(design.T @ design)[1, 1] * draws["omega.Base"].mean())
    assert along.std() == pytest.approx(spread, rel=0.1)
    assert abs(along.mean()) < 0.1 * spread


def test_truths_rank_evenly_among_draws_of_their_posterior() -> None:
    # Truths from the prior, effects from the truths (Talts et al. 2018): of 9 draws each rank is as likely as another.
    cohort = cohort_of_normal()
    means, theta, rng = Means(cohort), cohort.theta, np.random.default_rng(5)
    vector, (known,), ranks = theta.pack(theta.start), inverses(theta), []
    assert known.widths is not None
    for _ in range(300):
        truth = (known.widths[0] * rng.standard_t(FREEDOM)) ** 2
        eta, drawn = np.sqrt(truth) * rng.standard_normal((len(cohort), 1)), []
        for _ in range(10):
            vector = omega_drawn([known], means, theta, vector, eta, rng)
            drawn.append(theta.unpack(vector).omega[0, 0])
        ranks.append(int((np.array(drawn[1:]) < truth).sum()))
    assert stats.chisquare(np.bincount(ranks, minlength=10)).pvalue > 0.01


def test_an_inverse_wishart_has_its_mean() -> None:
    rng, scale = np.random.default_rng(1), np.array([[2.0, 0.5], [0.5, 1.0]])
    draws = np.array([inverse_wishart(scale, 9.0, rng) for _ in range(4000)])
    np.testing.assert_allclose(draws.mean(axis=0), scale / (9.0 - 2 - 1), atol=0.02)


def test_all_together_the_posterior_of_a_linear_normal_model_is_found() -> None:
    cohort = cohort_of_normal()
    found = sampled(Density(cohort), cohort.theta.pack(cohort.theta.start), warm=100, kept=200, most=200)
    names = dict(zip(found.names, found.mean, strict=True))
    spread = dict(zip(found.names, found.sd, strict=True))
    assert found.r_hat.max() < 1.1
    for name, truth in (("by_age", -0.2), ("gain", np.exp(0.3)), ("error.marker.additive", 0.15)):
        assert abs(names[name] - truth) < 3 * spread[name]


def test_more_is_drawn_while_it_is_not_enough_and_the_same_draws_come_again() -> None:
    cohort = cohort_of_normal().drawn(np.arange(5))
    found = sampled(Density(cohort), cohort.theta.pack(cohort.theta.start), warm=2, kept=6, most=24)
    assert found.draws.shape == (4, 24, cohort.theta.size)
    assert "of 24 draws disagree" in found.problem
    again = sampled(Density(cohort), cohort.theta.pack(cohort.theta.start), warm=2, kept=6, most=24)
    np.testing.assert_array_equal(again.draws, found.draws)


def test_a_narrow_prior_holds_what_it_names() -> None:
    cohort = cohort_of_normal()
    prior = Prior(
        (Known("by_age", 0.1, se=0.002), Known("gain", 1.0, se=0.002), Known("omega.Base", 0.5, degrees=4000.0)), "here"
    )
    cohort.theta = cohort.theta.with_prior(prior)
    found = sampled(Density(cohort), cohort.theta.pack(cohort.theta.start), warm=30, kept=30, most=30)
    named = dict(zip(found.names, zip(found.mean, found.sd, strict=True), strict=True))
    assert named["by_age"][0] == pytest.approx(0.1, abs=0.01)
    assert named["gain"][0] == pytest.approx(1.0, abs=0.01)
    assert named["omega.Base"][0] == pytest.approx(0.5, abs=0.05)
    assert found.prior.startswith("here; of what it does not name: flat")
    assert stated(cohort_of_normal().theta).startswith("flat")


def test_a_block_with_zeros_is_refused() -> None:
    with pytest.raises(FitError, match="pairs that are not listed"):
        inverses(Theta.of(three_effects()))
