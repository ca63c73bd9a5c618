"""Draws of a population have the posterior that closed forms give, and priors are heeded."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pytest
from scipy import special, stats

from tests.twin.population.importance.test_density import cohort_of
from tests.twin.population.mixture.mixtures import drawn_levels, measured, own_levels
from tests.twin.population.sampling.test_saem import cohort_of_normal
from tests.twin.population.test_objective import LINES
from tests.twin.population.test_theta import model as three_effects
from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.importance.climbing import by_modes
from twin.population.importance.density import Density
from twin.population.laplace.methods import usual_objective
from twin.population.means.means import Means
from twin.population.prior import Known, Prior
from twin.population.results.classified import renamed
from twin.population.sampling.blocks import FREEDOM, WIDE, blocks, omega_drawn
from twin.population.sampling.gibbs import _Run, sampled, stated
from twin.population.sampling.typical import typical_drawn


def age_of(cohort: Cohort) -> Floats:
    return np.array([subject.timeline.covariates[-1, 0] for subject in cohort.subjects])


def test_given_individuals_the_posterior_is_normal_inverse_wishart() -> None:
    cohort = cohort_of_normal()
    means, theta, rng = Means(cohort), cohort.theta, np.random.default_rng(2)
    age = age_of(cohort)
    psi = 1.4 - 0.2 * age + 0.3 * rng.standard_normal(len(age))
    vector, known, found = theta.pack(theta.start), blocks(theta), []
    for _ in range(2000):
        eta = (psi - means.at(vector)[:, 0])[:, None]
        vector = typical_drawn(means, theta, vector, eta, rng)
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


def exactly(values: Mapping[str, tuple[float, ...]], reference: Floats) -> dict[str, tuple[Floats, Floats]]:
    """The posterior of `own_levels`: of each number points and the probability to be below them. Classes of patients
    are enumerated but for those that may not be; a mean is integrated by hand, and a standard deviation on a grid."""
    y, error = np.array([np.mean(one) for one in values.values()]), 0.125
    sd = np.geomspace(1e-3, 60.0, 600)
    step = np.gradient(sd)
    law = {
        name: (1.0 + sd**2 / (FREEDOM * WIDE**2 * omega)) ** (-0.5 * (FREEDOM + 1.0))
        for name, omega in (("low", 0.4), ("high", 0.8))
    }
    share, below = np.linspace(0.0, 1.0, 41), {name: np.linspace(*ends, 41) for name, ends in MEANS.items()}
    total, found = 0.0, {name: np.zeros(41) for name in (*below, "share.slow")}
    spread = {name: np.zeros(len(sd)) for name in law}
    for of in itertools.product((0, 1), repeat=len(y)):
        each = np.eye(2)[list(of)]
        if not each.any(axis=0).all() or renamed(reference, each):
            continue
        parts, size = [], each.sum(axis=0)
        for n, name in enumerate(law):
            mine, variance = y[np.array(of) == n], sd**2 + error
            rest = ((mine - mine.mean()) ** 2).sum()
            log = -0.5 * (rest / variance + (size[n] - 1.0) * np.log(variance) + np.log(size[n]))
            weight = law[name] * step / step.sum() * np.exp(log)
            around = stats.norm(mine.mean(), np.sqrt(variance / size[n])[:, None])
            parts.append((weight, weight @ around.cdf(below[name])))
        law_of_share = stats.beta(1.0 + size[0], 1.0 + size[1])
        often = np.exp(special.betaln(1.0 + size[0], 1.0 + size[1]))
        both = [weight.sum() for weight, _ in parts]
        total += often * both[0] * both[1]
        found["share.slow"] += often * both[0] * both[1] * law_of_share.cdf(share)
        for n, name in enumerate(law):
            found[name] += often * both[1 - n] * parts[n][1]
            spread[name] += often * both[1 - n] * parts[n][0]
    points = {"share.slow": share, **below}
    ends = {name: (points[name], one / total) for name, one in found.items()}
    return ends | {f"omega.{name}": (sd**2, np.cumsum(one) / total) for name, one in spread.items()}


MEANS = {"low": (-1.0, 5.0), "high": (1.0, 8.0)}


def test_of_a_mixture_the_posterior_is_that_of_all_ways_to_be_of_classes() -> None:
    values = drawn_levels(8)
    cohort = measured(own_levels(), values, ("k", "error.plasma.additive"))
    density, start = Density(cohort), cohort.theta.pack(cohort.theta.start)
    found = sampled(density, start, warm=200, kept=1000, most=1000)
    reference = usual_objective(cohort)(by_modes(density, start)[0]).posterior
    assert reference is not None
    draws = dict(zip(found.names, found.draws.reshape(-1, len(found.names)).T, strict=True))
    effective = dict(zip(found.names, found.effective.tolist(), strict=True))
    law = exactly(values, reference)
    assert set(law) == set(found.names)
    for name, (points, below) in law.items():
        said = np.searchsorted(np.sort(draws[name]), points) / len(draws[name])
        assert effective[name] > 100, name
        assert np.abs(said - below).max() < 1.36 / np.sqrt(effective[name]), name
    assert 0.0 < found.held < 0.5
    assert "shares of classes Dirichlet with 1 of each" in found.prior


def test_effects_that_a_class_does_not_read_are_drawn_from_their_prior_and_shares_of_a_fixed_mixture_stay() -> None:
    cohort = measured(own_levels(), drawn_levels(8), ("k", "share.slow"))
    run = _Run(Density(cohort), cohort.theta.pack(cohort.theta.start), 1)
    met = np.broadcast_to(run.means.active[:, None], run.chains.eta.shape)
    assert met.reshape(8, 2, 4, 2)[0, :, 0].tolist() == [[True, False], [False, True]]
    far = np.where(met, run.chains.eta, 100.0)
    run.chains.eta = far.copy()
    run._draw_omega(tune=False)
    run._draw_shares()
    np.testing.assert_array_equal(run.chains.eta[met], far[met])
    assert np.abs(run.chains.eta).max() < 20.0
    assert cohort.theta.unpack(run.vectors[0]).shares.tolist() == [0.4, 0.6]


def test_a_block_with_zeros_keeps_them_in_every_chain_and_moves() -> None:
    cohort = cohort_of(three_effects(), LINES)
    run = _Run(Density(cohort), cohort.theta.pack(cohort.theta.start), 1)
    begun = run.vectors.copy()
    assert "each by itself where a block has pairs that are not listed" in stated(cohort.theta)
    for _ in range(3):
        run.step(tune=True)
    for before, after in zip(begun, run.vectors, strict=True):
        was, omega = cohort.theta.unpack(before).omega, cohort.theta.unpack(after).omega
        assert omega[1, 2] == omega[2, 1] == 0.0
        assert (omega[cohort.theta.patterns["omega"]] != was[cohort.theta.patterns["omega"]]).all()
        assert np.linalg.eigvalsh(omega)[0] > 0.0
