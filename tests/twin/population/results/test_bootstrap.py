"""Patients drawn anew keep the design, and their scatter is the standard error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.population.importance.test_density import cohort_of
from tests.twin.population.test_objective import LINES, oral
from twin.population.objective import Objective
from twin.population.results.bootstrap import drawn_anew, strata_of, summed_up
from twin.population.theta import FitError


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(0, 50))
def test_every_stratum_has_as_many_patients_as_before(strata: list[int], replicate: int) -> None:
    groups = np.array(strata)
    which = drawn_anew(groups, replicate)
    assert sorted(groups[which]) == sorted(strata)
    assert (np.diff(which) >= 0).all()
    np.testing.assert_array_equal(which, drawn_anew(groups, replicate))


def test_who_is_drawn_twice_counts_twice() -> None:
    cohort = cohort_of(oral(), LINES)
    vector = cohort.theta.pack(cohort.theta.start)
    whole = Objective(cohort)(vector)
    twice = Objective(cohort.drawn(np.array([0, 0, 2])))(vector)
    np.testing.assert_allclose(twice.ofv, whole.ofv[[0, 0, 2]], atol=1e-9)
    np.testing.assert_allclose(twice.score, whole.score[[0, 0, 2]], atol=1e-6)


def test_the_scatter_of_the_replicates_is_the_error() -> None:
    found = summed_up(list(np.random.default_rng(1).normal([1.0, 5.0], [0.1, 2.0], (2000, 2))), 2001)
    np.testing.assert_allclose(found.error, [0.1, 2.0], rtol=0.05)
    np.testing.assert_allclose(found.high - found.low, 2 * 1.96 * found.error, rtol=0.08)
    assert (found.replicates, found.converged) == (2001, 2000)


def test_what_cannot_be_summed_up_or_grouped_by_is_named() -> None:
    with pytest.raises(FitError, match="1 of 20 replicates converged"):
        summed_up([np.zeros(2)], 20)
    with pytest.raises(FitError, match="'SEX' is no covariate of made; it has none"):
        strata_of(cohort_of(oral(), LINES), "SEX")


def test_replicates_in_which_classes_changed_names_are_told() -> None:
    numbers = [np.array([1.0]), np.array([2.0])]
    assert summed_up(numbers, 3).problem is None
    assert "in 1 of 3 replicates the classes changed names" in (summed_up(numbers, 3, 1).problem or "")
