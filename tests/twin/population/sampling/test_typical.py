"""Typical values are drawn given individuals as the joint law of patients and sites says."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.mixture import clinics as unseen
from tests.twin.population.sites import clinics
from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.importance.density import Density
from twin.population.means.means import Means
from twin.population.sampling.gibbs import sampled
from twin.population.sampling.site_effects import SiteEffects
from twin.population.sampling.typical import typical_drawn

MANY = tuple(1 + i // 10 for i in range(60))


def regressed(cohort: Cohort, psi: Floats, design: Floats) -> tuple[Floats, Floats]:
    """Mean (J,) and covariance (J, J) of theta given psi (N, D) of slopes (N, D, J): least squares, all patients of a
    site together."""
    population = cohort.theta.start
    assert cohort.site is not None
    left, right = np.zeros((design.shape[2],) * 2), np.zeros(design.shape[2])
    above = cohort.above @ population.omega_isv @ cohort.above.T
    for site in range(cohort.site.max() + 1):
        who = np.flatnonzero(cohort.site == site)
        shared = np.kron(np.ones((len(who), len(who))), above)
        precision = np.linalg.inv(shared + np.kron(np.eye(len(who)), population.omega))
        slopes = design[who].reshape(-1, design.shape[2])
        left += slopes.T @ precision @ slopes
        right += slopes.T @ precision @ psi[who].ravel()
    covariance = np.linalg.inv(left)
    return covariance @ right, covariance


@pytest.mark.parametrize("straight", [True, False], ids=["drawn", "walked"])
def test_whatever_the_effects_of_sites_are_they_follow_least_squares(
    straight: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = clinics.of_bolus(clinics.bolus_values())
    assert cohort.site is not None
    theta, means, rng = cohort.theta, Means(cohort), np.random.default_rng(4)
    vector = theta.pack(theta.start)
    psi = means.at(vector) + rng.normal(0.0, 0.4, (len(cohort), 2)) + rng.normal(0.1, 0.3, (8, 2))[cohort.site]
    mean, covariance = regressed(cohort, psi, means.design(vector))
    sites, drawn = SiteEffects(cohort, cohort.site, means.active, 1), []
    monkeypatch.setattr(means, "straight", straight)
    for _ in range(4000):
        vector = typical_drawn(means, theta, vector, psi - means.at(vector), rng, None, sites)
        drawn.append(vector[list(means.moved)])
    found, sd = np.array(drawn[100:]), np.sqrt(np.diag(covariance))
    tolerance = 0.06 if straight else 0.15
    np.testing.assert_allclose((found.mean(axis=0) - mean) / sd, 0.0, atol=tolerance)
    np.testing.assert_allclose(np.cov(found.T) / np.outer(sd, sd), covariance / np.outer(sd, sd), atol=tolerance)


def test_members_that_patients_are_not_tell_nothing() -> None:
    cohort = unseen.of_levels(unseen.level_values())
    assert cohort.site is not None
    theta, means = cohort.theta, Means(cohort)
    vector, rng = theta.pack(theta.start), np.random.default_rng(1)
    sites, eta = SiteEffects(cohort, cohort.site, means.active, 1), rng.normal(0.0, 0.5, (len(cohort), 1))
    here = np.arange(len(cohort)) % 2 == 0
    other = eta + np.where(here, 0.0, 5.0)[:, None]
    found = [typical_drawn(means, theta, vector, one, np.random.default_rng(2), here, sites) for one in (eta, other)]
    np.testing.assert_array_equal(*found)


def test_draws_of_what_differs_between_sites_are_worth_as_many_as_of_what_does_not() -> None:
    cohort = clinics.of_line(clinics.line_values(MANY), MANY)
    found = sampled(Density(cohort), cohort.theta.pack(cohort.theta.start), warm=100, kept=200, most=200)
    worth = dict(zip(found.names, found.effective, strict=True))
    assert worth["slope"] > 0.5 * worth["base"]
