"""The likelihood of sites by draws is that of the formula, where there is one, and its score that of differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.twin.population.laplace.mixed_sites.test_objective import AMBIGUOUS, ambiguous
from tests.twin.population.mixture import clinics as unseen
from tests.twin.population.sites import clinics
from twin.population.cohort import Cohort
from twin.population.importance.climbing import exact_likelihood
from twin.population.importance.covering import adapted, proposals_at
from twin.population.importance.density import Density
from twin.population.importance.draws import even_draws
from twin.population.importance.sampled import Sample
from twin.population.laplace.methods import objective_of
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


def test_of_classes_that_nobody_sees_it_is_that_of_a_quadrature() -> None:
    values = unseen.level_values()
    cohort = unseen.of_levels(values)
    here = objective_of(cohort, "focei")(cohort.theta.pack(cohort.theta.start))
    exact = exact_likelihood(Density(cohort), here.vector, proposals_at(cohort, here))
    draws = even_draws([subject.key for subject in cohort.subjects], 1, 4000, cohort.effects)
    found = Sample(Density(cohort), here.vector, proposals_at(cohort, here), draws).likelihood(here.vector)
    assert found.posterior is not None
    likely = 0.0
    for who in clinics.grouped(unseen.CLINICS):
        quadrature, posterior = unseen.by_quadrature([values[i] for i in who])
        assert -2.0 * found.log[who].sum() == pytest.approx(quadrature, abs=0.01)
        np.testing.assert_allclose(found.posterior[who], posterior, atol=0.005)
        likely += quadrature
    assert exact.ofv == pytest.approx(likely, abs=4.0 * exact.error)
    assert exact.error < 0.05


def test_two_sites_between_two_modes_count_with_both() -> None:
    cohort, sites = ambiguous()
    here = objective_of(cohort, "focei")(cohort.theta.pack(cohort.theta.start))
    draws = even_draws([subject.key for subject in cohort.subjects], 1, 4000, cohort.effects)
    proposals = proposals_at(cohort, here)
    for _ in range(3):
        found = Sample(Density(cohort), here.vector, proposals, draws).likelihood(here.vector)
        proposals = adapted(found, cohort.theta.start.prior(cohort.parts)[0])
    for site in (2, 3):
        who = np.flatnonzero(sites == site)
        law = unseen.Law(isv=1.5, iiv=0.1)
        quadrature, posterior = unseen.by_quadrature([AMBIGUOUS[i] for i in who], law)
        assert -2.0 * found.log[who].sum() == pytest.approx(quadrature, abs=0.05)
        np.testing.assert_allclose(found.posterior[who], posterior, atol=0.02)  # type: ignore[index]
        assert abs(here.ofv[who].sum() - quadrature) > 0.3  # one mode is not the integral


@pytest.mark.parametrize("made", [unseen.of_eliminated, unseen.of_three], ids=["two", "three, and occasions"])
def test_the_score_of_classes_in_sites_is_what_differences_say(made: Callable[[], Cohort]) -> None:
    cohort = made()
    vector = cohort.theta.pack(cohort.theta.start) + 0.03
    here = objective_of(cohort, "laplace")(vector)
    draws = even_draws([subject.key for subject in cohort.subjects], 1, 400, cohort.effects)
    of = Sample(Density(cohort), vector, proposals_at(cohort, here), draws)
    first = of.likelihood(vector)
    assert first.score.shape == (len(cohort.patients), cohort.theta.size)
    for at in range(len(vector)):
        step = 1e-4 * np.eye(len(vector))[at]
        up, down = (of.likelihood(vector + side * step).total for side in (1, -1))
        assert first.slope[at] == pytest.approx((up - down) / 2e-4, rel=2e-3, abs=5e-3), of.theta.names[at]
