"""Simulated values have the moments of the model, and each patient's depend on that patient alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.diagnostics import cohorts
from tests.twin.population.mixture import clinics as unseen
from tests.twin.population.sites import clinics
from twin.population.diagnostics.simulated import simulated


def test_means_and_covariances_are_those_of_the_model() -> None:
    cohort = cohorts.drawn_line(2)
    found = simulated(cohort, cohort.theta.start, 1, 20_000)
    t = np.array(cohorts.TIMES)
    design = np.column_stack([np.ones_like(t), t])
    expected = design @ cohorts.OMEGA @ design.T + cohorts.SD**2 * np.eye(len(t))
    np.testing.assert_allclose(found.mean(axis=0), np.tile(10.0 + 1.5 * t, 2), atol=0.1)
    np.testing.assert_allclose(np.cov(found.T)[:5, :5], expected, rtol=0.06, atol=0.1)
    np.testing.assert_allclose(np.corrcoef(found.T)[:5, 5:], 0.0, atol=0.04)


def test_replicates_have_in_common_what_the_model_says() -> None:
    cohort = cohorts.replicated(1)
    found = simulated(cohort, cohort.theta.start, 1, 20_000)
    t = np.repeat(cohorts.TIMES, 2)
    design = np.column_stack([np.ones_like(t), t])
    within = found[:, 0::2] - found[:, 1::2]
    np.testing.assert_allclose(within.var(axis=0), 2.0 * cohorts.SD**2 * (1.0 - cohorts.SHARED), rtol=0.05)
    expected = design @ cohorts.OMEGA @ design.T + cohorts.scatter_of_replicates()
    np.testing.assert_allclose(np.cov(found.T), expected, rtol=0.06, atol=0.1)


def test_a_patients_values_do_not_change_with_who_else_is_there_and_do_with_the_seed() -> None:
    values = [np.full(5, 12.0)] * 3
    together = cohorts.line_of(values, ["a", "b", "c"])
    alone = cohorts.line_of(values[:1], ["b"])
    population = together.theta.start
    found = simulated(alone, population, 1, 50)
    np.testing.assert_array_equal(simulated(together, population, 1, 50)[:, 5:10], found)
    assert not np.array_equal(simulated(alone, population, 2, 50), found)


def test_categories_come_as_often_as_the_model_says() -> None:
    cohort = cohorts.mixed()
    found = simulated(cohort, cohort.theta.start, 1, 400)
    graded = np.array([o.output == 1 for subject in cohort.subjects for o in subject.observations])
    assert set(np.unique(found[:, graded])) == {0.0, 1.0}
    assert (found[:, ~graded] > 0).mean() > 0.99


def test_patients_of_one_site_are_alike_in_what_is_drawn() -> None:
    cohort = clinics.of_line(clinics.line_values())
    population = cohort.theta.unpack(cohort.theta.pack(cohort.theta.start))
    drawn = simulated(cohort, population, 1, 4000)
    # The slope of each patient, about: over the last hour but its share of error.
    slope = (drawn[:, 3::4] - drawn[:, 0::4]) / clinics.TIMES[-1]
    found = np.cov(slope.T)
    one, other, alone = 0, 2, 3
    assert clinics.CLINICS[one] == clinics.CLINICS[other] != clinics.CLINICS[alone]
    assert found[one, other] == pytest.approx(clinics.ABOVE, abs=0.03)
    assert abs(found[one, alone]) < 0.03
    own = clinics.OMEGA[1, 1] + clinics.ABOVE + 2.0 * (clinics.SD / clinics.TIMES[-1]) ** 2
    assert found[alone, alone] == pytest.approx(own, rel=0.1)


def test_patients_of_one_site_are_alike_whatever_their_classes() -> None:
    cohort = unseen.of_levels([[1.0]] * 4, (5, 5, 0, 5))
    drawn = simulated(cohort, cohort.theta.start, 1, 8000)
    found = np.cov(drawn.T)
    assert found[0, 1] == pytest.approx(unseen.LAW.isv, abs=0.1)
    assert abs(found[0, 2]) < 0.1
    low, high = unseen.LAW.centres
    between = unseen.LAW.shares[0] * unseen.LAW.shares[1] * (high - low) ** 2
    np.testing.assert_allclose(np.diag(found), between + unseen.LAW.isv + unseen.LAW.iiv + unseen.LAW.sd**2, rtol=0.05)
