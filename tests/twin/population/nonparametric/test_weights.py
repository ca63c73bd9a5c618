"""Weights are the most likely ones, and no more of them are needed than there are patients."""

from __future__ import annotations

import numpy as np
import pytest

from twin.population.nonparametric.weights import fewest, weights_of


@pytest.mark.parametrize(("patients", "points"), [(3, 40), (20, 200), (40, 7)])
def test_no_other_weights_are_more_likely(patients: int, points: int) -> None:
    rng = np.random.default_rng(patients)
    psi = rng.random((patients, points)) * 10.0 ** rng.uniform(-200, 200, (patients, 1))
    weight = weights_of(psi)
    assert weight.sum() == pytest.approx(1.0)
    assert weight.min() >= 0.0
    # The problem is convex: where no direction goes up, and those with weight are level, this is the top.
    gain = (psi / (psi @ weight)[:, None]).sum(axis=0) - patients
    assert gain.max() < 1e-5
    np.testing.assert_allclose(gain[weight > 1e-4], 0.0, atol=1e-3)


def test_of_two_points_that_each_suit_one_patient_the_weights_are_known() -> None:
    np.testing.assert_allclose(weights_of(np.array([[1.0, 0.2], [0.2, 1.0], [0.2, 1.0]])), [0.25, 0.75], atol=1e-6)


def test_points_beyond_the_number_of_patients_are_left_out_at_no_loss() -> None:
    psi = np.random.default_rng(2).random((3, 9))
    before = np.random.default_rng(3).dirichlet(np.ones(9))
    after = fewest(psi, before)
    assert (after > 0.0).sum() <= 3
    # Only at the optimum does what is unseen keep the sum: there likelihoods stay as they are.
    best = weights_of(psi)
    np.testing.assert_allclose(np.log(psi @ fewest(psi, best)).sum(), np.log(psi @ best).sum(), atol=1e-6)


@pytest.mark.parametrize("psi", [np.zeros((2, 3)), np.full((2, 3), np.nan)])
def test_a_patient_whom_no_point_makes_possible_is_an_error(psi: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no point makes the values of a patient possible"):
        weights_of(psi)
