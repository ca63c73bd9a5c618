"""Effects of sites are drawn from what their patients say of them, and estimated by either way of walking."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.sites import clinics
from twin.population.importance.density import Density
from twin.population.laplace.site_objective import SiteObjective
from twin.population.sampling import saem
from twin.population.sampling.gibbs import sampled
from twin.population.sampling.saem import settle
from twin.population.sampling.site_effects import SiteEffects
from twin.population.search import State, scores_curvature, search
from twin.population.values import Population

MANY = tuple(1 + i // 3 for i in range(24))


def test_given_their_patients_they_are_normal_as_the_joint_law_says() -> None:
    cohort = clinics.of_bolus(clinics.bolus_values())
    assert cohort.site is not None
    population = Population.of(clinics.bolus())
    psi = np.random.default_rng(1).normal(0.0, 0.5, (len(cohort), 2))
    chains = np.repeat(psi[:, None], 20_000, axis=1)
    drawn = SiteEffects(cohort, cohort.site, 1).drawn(chains, population)
    squares = []
    for who in clinics.grouped():
        shared = np.kron(np.ones((len(who), len(who))), population.omega_isv)
        among = shared + np.kron(np.eye(len(who)), population.omega)
        gain = np.tile(population.omega_isv, len(who)) @ np.linalg.inv(among)
        mean = gain @ psi[who].ravel()
        covariance = population.omega_isv - gain @ np.tile(population.omega_isv, len(who)).T
        found = drawn.b[cohort.site[who[0]]]
        np.testing.assert_allclose(found.mean(axis=0), mean, atol=0.01)
        np.testing.assert_allclose(np.cov(found.T), covariance, atol=0.003)
        np.testing.assert_array_equal(drawn.centres[who[-1]], found)
        squares.append(covariance + np.outer(mean, mean))
    np.testing.assert_allclose(drawn.square, np.mean(squares, axis=0), rtol=1e-9)


def test_by_stochastic_approximation_the_end_is_the_exact_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("EXACT", 300), ("COOLED", 40), ("WINDOW", 60), ("SMOOTHED", 120)):
        monkeypatch.setattr(saem, name, value)
    cohort = clinics.of_line(clinics.line_values(MANY), MANY)
    start = cohort.theta.pack(cohort.theta.start)
    found = settle(Density(cohort), start)
    _, here = search(SiteObjective(cohort, "focei"), State(start), lambda *_: None)
    errors = np.sqrt(2.0 * np.diag(np.linalg.inv(scores_curvature(here))))
    assert (np.abs(found.vector - here.vector) / errors).max() < 0.2


def test_their_posterior_lies_around_it() -> None:
    cohort = clinics.of_line(clinics.line_values(MANY), MANY)
    found = sampled(Density(cohort), cohort.theta.pack(cohort.theta.start), warm=60, kept=60, most=60)
    low, _, high = found.quantiles
    truth = {"base": 10.0, "slope": 1.5, "omega.base": 4.0, "omega.slope": 0.25, "isv.slope": clinics.ABOVE}
    for name, value in truth.items():
        at = found.names.index(name)
        assert low[at] < 1.3 * value, name
        assert high[at] > 0.7 * value, name
