"""By every method the objective with sites is the method's of a site as one subject, of any kind of value."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.twin.population.sites import clinics, outcomes
from twin.population.cohort import Cohort
from twin.population.importance.climbing import exact_likelihood
from twin.population.importance.covering import first_proposals
from twin.population.importance.density import Density
from twin.population.laplace.methods import objective_of, post_hoc
from twin.population.laplace.site_objective import FirstOrderSiteObjective, LaplaceSiteObjective
from twin.population.objective import Evaluation, Objective

LOG_2PI = np.log(2.0 * np.pi)


def at_start(of: Objective) -> Evaluation:
    """At the values of the model."""
    found = of(of.cohort.theta.pack(of.cohort.theta.start))
    assert found.settled.all()
    return found


@pytest.mark.parametrize("kind", outcomes.KINDS)
def test_laplaces_is_that_of_a_dense_search_and_near_to_a_quadrature(kind: str) -> None:
    cohort = outcomes.of_kind(kind)
    found = at_start(objective_of(cohort, "laplace"))
    exact = exact_likelihood(Density(cohort), found.vector, first_proposals(Density(cohort), found.vector))
    likely = 0.0
    for who in clinics.grouped(outcomes.CLINICS):
        ofv, psi = outcomes.by_laplace(kind, who.tolist())
        quadrature = outcomes.by_quadrature(kind, who.tolist())
        assert found.ofv[who].sum() == pytest.approx(ofv, abs=2e-5)
        np.testing.assert_allclose(found.eta[who, 0], psi, atol=1e-4)
        assert found.ofv[who].sum() == pytest.approx(quadrature, abs=0.5)
        likely += quadrature
    assert exact.ofv == pytest.approx(likely, abs=4.0 * exact.error)
    assert exact.error < 0.05


def test_of_a_straight_line_laplaces_and_the_first_order_one_are_the_likelihood_itself() -> None:
    cohort = clinics.of_line(clinics.line_values())
    expected = at_start(objective_of(cohort, "focei"))
    for method in ("laplace", "fo"):
        found = at_start(objective_of(cohort, method))  # type: ignore[arg-type]
        np.testing.assert_allclose(found.ofv, expected.ofv, atol=1e-5)
        np.testing.assert_allclose(found.eta, expected.eta, atol=1e-5)
        np.testing.assert_allclose(found.covariance, expected.covariance, atol=1e-5)
        np.testing.assert_allclose(found.gradient, expected.gradient, atol=2e-3)


def test_the_first_order_one_is_normal_with_the_covariance_that_slopes_give_a_site() -> None:
    values = clinics.bolus_values()
    objective = objective_of(clinics.of_bolus(values), "fo")
    found, times = at_start(objective), np.array(clinics.TIMES[1:])
    level = clinics.DOSE / 20.0 * np.exp(-5.0 / 20.0 * times)
    slopes = np.stack([-level * 0.25 * times, level * (0.25 * times - 1.0)], axis=1)
    own = slopes @ np.diag([0.16, 0.09]) @ slopes.T + np.diag((0.2 * level) ** 2)
    shared = slopes @ clinics.bolus().omega_isv @ slopes.T
    for who in clinics.grouped():
        covariance = np.kron(np.eye(len(who)), own) + np.kron(np.ones((len(who), len(who))), shared)
        density = stats.multivariate_normal.logpdf(values[who].ravel(), np.tile(level, len(who)), covariance)
        assert found.ofv[who].sum() == pytest.approx(-2.0 * density - values[who].size * LOG_2PI, abs=1e-5)
    assert isinstance(objective, FirstOrderSiteObjective)
    assert 0.1 < objective.bent(post_hoc(objective, found)) < 10.0


def cases() -> dict[str, Objective]:
    """Objectives of one cohort each."""
    limited: Cohort = outcomes.limited_bolus()
    return {
        "limits": objective_of(limited, "laplace"),
        # Of sites all is flat, of patients some.
        "bounded": LaplaceSiteObjective(limited, flat=8.0),
        "grades": objective_of(outcomes.of_kind("grade"), "laplace"),
        "line": objective_of(clinics.of_bolus(clinics.bolus_values()), "fo"),
    }


@pytest.mark.parametrize("name", ["limits", "bounded", "grades", "line"])
def test_the_gradient_is_what_differences_say(name: str) -> None:
    of = cases()[name]
    theta = of.cohort.theta
    first = at_start(of)
    for at in range(theta.size):
        step = 5e-4 * np.eye(theta.size)[at]
        up, down = (of(first.vector + side * step, first) for side in (1, -1))
        for site in np.unique(first.site):
            who = first.site == site
            difference = (up.ofv[who].sum() - down.ofv[who].sum()) / 1e-3
            assert first.score[who, at].sum() == pytest.approx(difference, rel=1e-3, abs=5e-3), theta.names[at]


def test_where_curvature_is_bounded_the_objective_is_more() -> None:
    bounded = at_start(cases()["bounded"])
    assert bounded.total > at_start(cases()["limits"]).total + 0.5
