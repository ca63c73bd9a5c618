"""A network is taken where patients left out bear it out, and not otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.covariates.learning_figures import one, simulated
from twin.covariates.characteristics import CovariateError
from twin.covariates.held_out import Verdict, all_weights, chosen, judged

FEW = {"covariates": 3, "draws_each": 64}
"""Half of what `tests.twin.covariates.learning_figures` looks at, in a tenth of the time."""


def test_a_maturation_that_is_there_is_taken_and_nearly_whole() -> None:
    verdict, left, _ = one(3, "maturation", **FEW)
    assert verdict.accepted
    assert all(penalty is not None for penalty in verdict.penalties)
    assert verdict.interval[0] > 0.05
    assert left < 0.25


def test_nothing_is_taken_where_there_is_nothing() -> None:
    assert not one(1, "nothing", **FEW)[0].accepted


def test_no_network_is_taken_that_left_out_patients_only_seem_to_bear_out() -> None:
    few_gain = np.r_[np.full(2, 6.0), np.zeros(78)]
    assert not Verdict(few_gain, (0.5,) * 5, 0.5).accepted
    assert Verdict(np.tile([0.1, 0.3], 40), (0.5,) * 5, 0.5).accepted
    assert not Verdict(np.tile([0.1, 0.3], 40), (0.5,) * 5, None).accepted


def test_what_is_learnt_depends_on_nothing_but_patients_and_seed() -> None:
    task, _ = simulated(2, "maturation", 40, **FEW)
    assert chosen(task, 2) == chosen(task, 2)
    first, second = (all_weights(task, 1.0, 1) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    for one_of, other in zip(first[1], second[1], strict=True):
        np.testing.assert_array_equal(one_of.packed(), other.packed())
    assert (first[1][0].packed() != first[1][1].packed()).any()


def test_too_few_patients_are_refused() -> None:
    task, _ = simulated(1, "nothing", 39)
    with pytest.raises(CovariateError, match="39 patients are too few to learn effects from and judge them by; 40"):
        judged(task)
