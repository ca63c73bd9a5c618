"""The likelihood of sites by draws is that of the formula, where there is one, and its score that of differences."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.sites import clinics
from twin.population.cohort import Cohort
from twin.population.importance.climbing import exact_likelihood, proposals_at
from twin.population.importance.density import Density
from twin.population.importance.draws import even_draws
from twin.population.importance.sampled import Sample
from twin.population.laplace.site_objective import SiteObjective


def sample(cohort: Cohort, count: int = 400) -> Sample:
    """Draws around the modes at the values of the model."""
    vector = cohort.theta.pack(cohort.theta.start)
    here = SiteObjective(cohort, "focei")(vector)
    draws = even_draws([subject.key for subject in cohort.subjects], 1, count, cohort.effects)
    return Sample(Density(cohort), vector, proposals_at(cohort, here), draws)


def test_of_a_straight_line_it_is_that_of_the_formula() -> None:
    cohort = clinics.of_line(clinics.line_values())
    vector = cohort.theta.pack(cohort.theta.start)
    here = SiteObjective(cohort, "focei")(vector)
    found = exact_likelihood(Density(cohort), vector, proposals_at(cohort, here))
    assert found.ofv == pytest.approx(here.total, abs=4.0 * found.error)
    assert found.error < 0.1
    assert found.size > 0.5


def test_posterior_moments_are_those_of_the_joint_modes_of_a_straight_line() -> None:
    cohort = clinics.of_line(clinics.line_values())
    here = SiteObjective(cohort, "focei")(cohort.theta.pack(cohort.theta.start))
    found = sample(cohort, 4000).likelihood(here.vector)
    np.testing.assert_allclose(found.mean, here.eta, atol=0.01)
    np.testing.assert_allclose(found.covariance, here.covariance, atol=0.01)
    np.testing.assert_allclose(-2.0 * found.slope, here.gradient, atol=0.05)


def test_the_score_is_what_differences_say() -> None:
    of = sample(clinics.of_bolus(clinics.bolus_values()))
    first = of.likelihood(of.vector)
    for at in range(len(of.vector)):
        step = 1e-4 * np.eye(len(of.vector))[at]
        up, down = (of.likelihood(of.vector + side * step).total for side in (1, -1))
        assert first.slope[at] == pytest.approx((up - down) / 2e-4, rel=2e-3, abs=2e-3), of.theta.names[at]
