"""Courses pass through the predictions of the values, and do not change them."""

from __future__ import annotations

import numpy as np

from tests.twin.population.diagnostics import cohorts
from twin.population.diagnostics.curves import GRID, courses


def test_a_course_is_that_of_the_formula() -> None:
    cohort = cohorts.drawn_line(3)
    eta = np.array([[1.0, 0.2], [0.0, 0.0], [-2.0, 0.5]])
    found = courses(cohort, cohort.theta.start, eta)
    for one, (base, slope) in zip(found, eta, strict=True):
        assert GRID <= len(one.times) <= GRID + len(cohorts.TIMES)
        assert set(cohorts.TIMES) <= set(one.times.tolist())
        np.testing.assert_allclose(one.own[:, 0], 10.0 + base + (1.5 + slope) * one.times, rtol=1e-9)
        np.testing.assert_allclose(one.typical[:, 0], 10.0 + 1.5 * one.times, rtol=1e-9)


def test_a_course_begins_with_the_record_and_meets_its_doses() -> None:
    cohort = cohorts.mixed()
    found = courses(cohort, cohort.theta.start, np.zeros((40, 2)))
    weight = cohort.subjects[0].timeline.covariates[0, 0]
    after = found[0].times > 0
    expected = 100 / (12 * weight / 70) * np.exp(-0.3 * found[0].times[after])
    np.testing.assert_allclose(found[0].own[after, 0], expected, rtol=1e-9)
    assert found[0].times[0] == 0.0
    assert found[0].times[-1] == 12.0
