"""The objective with sites is that of a site as one subject, found densely; its gradient is that of differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from tests.twin.population.sites import clinics
from twin.arrays import Floats
from twin.filter.posthoc import post_hoc
from twin.population.laplace.site_objective import SiteObjective
from twin.population.objective import Method

LOG_2PI = np.log(2.0 * np.pi)


def test_of_a_straight_line_it_is_the_likelihood_itself() -> None:
    values = clinics.line_values()
    objective = SiteObjective(clinics.of_line(values), "focei")
    theta = objective.cohort.theta
    found = objective(theta.pack(theta.start))
    design = np.stack([np.ones(4), np.array(clinics.TIMES)], axis=1)
    expected = 0.0
    for who in clinics.grouped():
        own = np.kron(np.eye(len(who)), design @ clinics.OMEGA @ design.T + clinics.SD**2 * np.eye(4))
        shared = clinics.ABOVE * np.kron(np.ones((len(who), len(who))), np.outer(design[:, 1], design[:, 1]))
        mean = np.tile(design @ [10.0, 1.5], len(who))
        of_site = -2.0 * stats.multivariate_normal.logpdf(values[who].ravel(), mean, own + shared)
        of_site -= 4 * len(who) * LOG_2PI
        assert found.ofv[who].sum() == pytest.approx(of_site, abs=1e-7)
        expected += of_site
    assert found.total == pytest.approx(expected, abs=1e-6)


def test_it_is_that_of_a_dense_search_over_the_effects_of_site_and_patients() -> None:
    values = clinics.bolus_values()
    objective = SiteObjective(clinics.of_bolus(values), "focei")
    theta = objective.cohort.theta
    found = objective(theta.pack(theta.start))
    for who in clinics.grouped():
        ofv, psi = _dense(values[who])
        assert found.ofv[who].sum() == pytest.approx(ofv, abs=2e-5)
        np.testing.assert_allclose(found.eta[who], psi, atol=2e-4)


def _dense(values: Floats) -> tuple[float, Floats]:
    """FOCE-I of one site with all its patients: effects (b, eta_1, ..., eta_n), each column by itself."""
    count, times = len(values), np.array(clinics.TIMES[1:])
    prior = np.zeros((2 + 2 * count, 2 + 2 * count))
    prior[:2, :2] = clinics.bolus().omega_isv
    prior[2:, 2:] = np.kron(np.eye(count), np.diag([0.16, 0.09]))
    precision = np.linalg.inv(prior)

    def predicted(x: Floats) -> Floats:
        psi = x[:2] + x[2:].reshape(count, 2)
        cl, v = 5.0 * np.exp(psi[:, :1]), 20.0 * np.exp(psi[:, 1:])
        return clinics.DOSE / v * np.exp(-cl / v * times)

    def u(x: Floats) -> float:
        f = predicted(x)
        return float((((values - f) / (0.2 * f)) ** 2 / 2 + np.log(0.2 * f)).sum() + x @ precision @ x / 2)

    ends = optimize.minimize(u, np.zeros(len(prior)), method="BFGS", options={"gtol": 1e-7})
    step = 1e-30j * np.eye(len(prior))
    f = predicted(ends.x).ravel()
    slope = np.array([predicted(ends.x + one).ravel().imag / 1e-30 for one in step])
    weight = 1.0 / (0.2 * f) ** 2 + 2.0 / f**2
    h = precision + (slope * weight) @ slope.T
    ofv = 2.0 * ends.fun + np.linalg.slogdet(prior)[1] + np.linalg.slogdet(h)[1]
    return float(ofv), ends.x[:2] + ends.x[2:].reshape(count, 2)


def test_a_patient_who_is_alone_counts_as_a_twin_does_that_looks_at_nobody_else() -> None:
    objective = SiteObjective(clinics.of_bolus(clinics.bolus_values()), "focei")
    cohort, theta = objective.cohort, objective.cohort.theta
    found = objective(theta.pack(theta.start))
    for alone in (i for i, site in enumerate(clinics.CLINICS) if site == 0):
        known = post_hoc(cohort.kernel, cohort.step_sizes, cohort.subjects[alone].timeline)
        assert found.ofv[alone] == pytest.approx(known.ofv, abs=2e-5)
        np.testing.assert_allclose(found.eta[alone], known.eta, atol=1e-4)
        np.testing.assert_allclose(found.covariance[alone], known.covariance, rtol=1e-4)


@pytest.mark.parametrize("method", ["focei", "foce"])
def test_the_gradient_is_what_differences_say(method: Method) -> None:
    objective = SiteObjective(clinics.of_bolus(clinics.bolus_values()), method)
    theta = objective.cohort.theta
    first = objective(theta.pack(theta.start))
    for at in range(theta.size):
        step = 1e-4 * np.eye(theta.size)[at]
        up, down = (objective(first.vector + side * step, first) for side in (1, -1))
        expected = np.zeros((4, 2))
        for who, row in zip(clinics.grouped(), expected, strict=True):
            row[:] = first.score[who, at].sum(), (up.ofv[who].sum() - down.ofv[who].sum()) / 2e-4
        np.testing.assert_allclose(expected[:, 0], expected[:, 1], rtol=1e-4, atol=3e-4, err_msg=theta.names[at])
        np.testing.assert_allclose(first.moves[:, :, at], (up.eta - down.eta) / 2e-4, rtol=2e-3, atol=2e-4)


def test_scores_of_what_is_independent_are_those_of_sites() -> None:
    objective = SiteObjective(clinics.of_line(clinics.line_values()), "focei")
    theta = objective.cohort.theta
    found = objective(theta.pack(theta.start))
    assert found.independent.shape == (4, theta.size)
    np.testing.assert_allclose(found.independent.sum(axis=0), found.gradient, rtol=1e-12)
