"""Trees propose what patients that were left out bear out, and seldom what is not there."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.covariates.figures import NAMES, proposed, simulated
from twin.covariates.characteristics import CovariateError
from twin.covariates.trees import Targets, proposals, worths


def test_a_covariate_that_does_something_is_proposed_whatever_its_shape() -> None:
    for bent in (False, True):
        assert ("CL", "x0") in proposed(7, 0.3, bent, permutations=19)


def test_chance_is_proposed_no_more_often_than_was_said() -> None:
    # 8 data sets at 5 %: more than 2 would be seen once in 170.
    assert sum(bool(proposed(seed, 0.0, permutations=19)) for seed in range(8)) <= 2
    found = proposals(NAMES, *simulated(3, 0.0), 39)
    assert found.false_finds <= 0.06
    assert found.permutations == 39
    assert len(found.pairs) == 12
    assert min(pair.p for pair in found.pairs) >= 1 / 40


def test_what_is_learnt_is_not_drawn_towards_the_population() -> None:
    # Half of what is known of each patient is the population: as targets, effects have their slope again.
    rng = np.random.default_rng(1)
    x = rng.normal(size=4000)
    eta = 0.3 * x + 0.3 * rng.normal(size=4000)
    prior = np.array([eta.var()])
    seen = eta + np.sqrt(prior) * rng.normal(size=4000)
    targets = Targets.of(("CL",), 0.5 * seen[:, None], np.full((4000, 1), 0.5) * prior, prior)
    assert np.polyfit(x, targets.values[:, 0], 1)[0] == pytest.approx(0.3, abs=0.03)
    np.testing.assert_allclose(targets.weights, 0.5)


def test_worths_depend_on_nothing_but_patients_and_seed() -> None:
    x, targets = simulated(4, 0.2)
    np.testing.assert_array_equal(worths(x, targets, 1), worths(x, targets, 1))
    assert (worths(x, targets, 1) != worths(x, targets, 2)).any()


def test_too_few_patients_or_permutations_are_refused() -> None:
    x, targets = simulated(4, 0.2)
    few = Targets(targets.names, targets.values[:20], targets.weights[:20], targets.site[:20], targets.held)
    with pytest.raises(CovariateError, match="20 patients are too few to learn from"):
        proposals(NAMES, x[:20], few)
    with pytest.raises(CovariateError, match="permutations: 9 are too few for a level"):
        proposals(NAMES, x, targets, 9)


def test_of_sites_covariates_that_sites_differ_in_are_proposed_no_more_often_than_was_said() -> None:
    assert sum(bool(proposed(seed, 0.0, permutations=19, sites=16)) for seed in range(8)) <= 2
    assert ("CL", "x0") in proposed(7, 0.3, permutations=19, sites=16)


def test_sites_that_are_taken_for_patients_propose_what_only_tells_sites_apart() -> None:
    def alone(seed: int) -> bool:
        x, targets = simulated(seed, 0.0, sites=8)
        apart = Targets(targets.names, targets.values, targets.weights, np.arange(len(x)), np.full(2, np.inf))
        return bool(proposals(NAMES, x, apart, 19, seed=seed).proposed)

    # At 5 % 3 or more of 12 would be seen once in 50.
    assert sum(alone(seed) for seed in range(12)) >= 3
    assert not any(proposed(seed, 0.0, permutations=19, sites=8) for seed in range(12))


def test_what_data_say_of_a_patient_weighs_by_what_patients_of_one_site_differ_by() -> None:
    # Of a variance of 1, a quarter between sites, data leave a half: they have a variance of 1 themselves.
    targets = Targets.of(("CL",), np.array([[0.2]]), np.array([[0.5]]), np.ones(1), np.array([0.25]), np.zeros(1, int))
    np.testing.assert_allclose(targets.values, 0.4)
    np.testing.assert_allclose(targets.weights, 0.75 / 1.75)
    np.testing.assert_allclose(targets.held, 3.0)
