"""What a right model shows of its own data, and what a wrong one shows."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.diagnostics import cohorts
from twin.population.diagnostics.diagnosed import diagnosed
from twin.population.diagnostics.normality import normality
from twin.population.theta import FitError


def test_prediction_errors_are_standard_normal_of_a_right_model_and_not_of_a_wrong_one() -> None:
    for cohort, right in ((cohorts.drawn_line(60), True), (cohorts.drawn_line(60, spread=1.6), False)):
        found = diagnosed(cohort, cohort.theta.pack(cohort.theta.start), "focei")
        p = {name: normality(each).p for name, each in (("npde", found.npde), ("cwres", found.residuals.cwres))}
        assert (p["npde"] > 0.05) is right, p
        assert (p["cwres"] > 0.05) is right, p


def test_values_below_a_limit_and_categories_have_prediction_errors_too() -> None:
    cohort = cohorts.mixed()
    found = diagnosed(cohort, cohort.theta.pack(cohort.theta.start), "imp", replicates=500)
    assert found.method == "laplace"
    assert np.isfinite(found.npde).all()
    of_levels = normality(found.npde[found.measured.output == 0])
    assert of_levels.p > 0.05
    assert found.influence is not None
    assert len(found.influence.distance) == 40


def test_the_same_seed_makes_the_same_and_another_does_not() -> None:
    cohort = cohorts.drawn_line(5)
    vector = cohort.theta.pack(cohort.theta.start)
    first, again, other = (diagnosed(cohort, vector, "focei", seed=seed, replicates=100) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.npde, again.npde)
    assert not np.array_equal(first.npde, other.npde)


def test_groups_by_what_is_no_covariate_are_refused() -> None:
    cohort = cohorts.mixed()
    with pytest.raises(FitError, match="stratify: 'AGE' is no covariate of the model; it has WT, SEX"):
        diagnosed(cohort, cohort.theta.pack(cohort.theta.start), "laplace", stratify="AGE")
