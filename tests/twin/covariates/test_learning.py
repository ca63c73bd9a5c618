"""A climb goes up the likelihood that importance sampling gives, and finds what is there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from tests.streams.batch.covariates.simulated import IN_SITES
from tests.twin.covariates.learning_figures import simulated
from twin.covariates.learning import Drawn, climbed, shifts_of
from twin.modelfile.reader import parse_model
from twin.population.importance.draws import Proposals, even_draws
from twin.population.theta import Theta


@pytest.mark.parametrize("sites", [0, 6])
def test_the_gradient_of_a_climb_is_that_of_its_likelihood(monkeypatch: pytest.MonkeyPatch, sites: int) -> None:
    task, _ = simulated(1, "linear", 40, sites=sites)
    checked = []
    minimize = optimize.minimize

    def held(function, start, **options):  # type: ignore[no-untyped-def]
        step = 1e-5 * np.eye(len(start))
        slopes = [(function(start + one)[0] - function(start - one)[0]) / 2e-5 for one in step]
        np.testing.assert_allclose(function(start)[1], slopes, rtol=1e-5, atol=1e-5)
        checked.append(len(start))
        return minimize(function, start, **options)

    monkeypatch.setattr(optimize, "minimize", held)
    climbed(task.drawn, task.x, task.at, 0.7, task.begun)
    assert checked == [4 + bool(sites) + 6 + 4 * 7 + 2 * 4]


def test_what_a_site_is_likely_by_is_the_normal_law_of_its_patients_together() -> None:
    rng = np.random.default_rng(2)
    theta = Theta.of(parse_model(IN_SITES, "simulated.toml"))
    population, site = theta.start, np.arange(24) % 5
    seen, noise, shifts = 0.4 * rng.normal(size=(24, 2)), np.array([0.05, 0.03]), 0.2 * rng.normal(size=(24, 2))
    around = Proposals.around(seen, np.broadcast_to(np.diag(noise), (24, 2, 2)), population.alone)
    standard = even_draws([str(n) for n in range(24)], 1, 16384, 2)
    eta = around.drawn(standard)
    log = stats.norm.logpdf(eta, seen[:, None], np.sqrt(noise)).sum(axis=2) - around.log_density(standard)
    drawn = Drawn(theta, theta.pack(population), np.zeros((theta.size, 2)), eta, log, site)
    found = drawn.log_likelihood(drawn.vector, shifts)
    for one in range(5):
        inside = np.flatnonzero(site == one)
        exact = 0.0
        for k, between in enumerate((population.omega_isv[0, 0], 0.0)):
            covariance = (population.omega[k, k] + noise[k]) * np.eye(len(inside)) + between
            exact += stats.multivariate_normal.logpdf((seen - shifts)[inside, k], cov=covariance)
        assert found[inside].sum() == pytest.approx(exact, abs=0.01)
        np.testing.assert_array_equal(found[inside], found[inside][0])


def test_without_a_network_the_population_of_the_draws_is_found_again() -> None:
    task, _ = simulated(1, "nothing", 200)
    vector, weights = climbed(task.drawn, task.x, task.at, 0.0, None)
    assert weights is None
    moved = vector - task.drawn.vector
    # Two typical values and two logarithms of a standard deviation; residual errors stay.
    assert np.abs(moved[:2]).max() < 0.15
    assert np.abs(moved[2:4]).max() < 0.3
    assert moved[4] == 0.0


def test_a_network_is_as_near_to_a_bent_effect_as_noise_allows_and_opens_no_other_gate() -> None:
    task, truth = simulated(3, "above the mean", 300)
    vector, weights = climbed(task.drawn, task.x, task.at, 0.7, task.begun)
    assert weights is not None
    shifts = shifts_of(weights, task.drawn, task.x, task.at)
    assert np.corrcoef(shifts[:, 0], truth)[0, 1] > 0.95
    assert (shifts[:, 0] - truth).std() < 0.3 * truth.std()
    gates = np.abs(weights.gate)
    assert gates[0] > 4 * gates[1:].max()
    without, _ = climbed(task.drawn, task.x, task.at, 0.0, None)
    gained = task.drawn.log_likelihood(vector, shifts) - task.drawn.log_likelihood(without, np.zeros_like(shifts))
    assert gained.sum() > 20.0


def test_a_strong_pull_leaves_no_network() -> None:
    task, _ = simulated(1, "linear", 60)
    _, weights = climbed(task.drawn, task.x, task.at, 20.0, task.begun)
    assert weights is not None
    assert np.abs(shifts_of(weights, task.drawn, task.x, task.at)).max() < 1e-3
