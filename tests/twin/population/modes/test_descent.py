"""Many descents at once: the deepest end of each patient is its mode, wherever they began."""

from __future__ import annotations

import numpy as np

from twin.arrays import Floats, Integers
from twin.population.modes.descent import Look, descend, scattered


def two_wells(which: Integers, eta: Floats) -> Look:
    """(x^2 - 1)^2 + tilt x, of patients that tilt either way."""
    x, tilt = eta[:, 0], np.where(which == 0, 0.2, -0.2)
    value = (x * x - 1) ** 2 + tilt * x
    gradient = 4 * x * (x * x - 1) + tilt
    curvature = 12 * x * x - 4
    return Look(value, gradient[:, None], np.maximum(curvature, 1.0)[:, None, None], curvature[:, None, None].copy())


def test_the_deeper_well_is_found_from_starts_on_both_sides() -> None:
    starts = np.array([[-1.5], [1.5], [-1.5], [1.5]])
    found = descend(two_wells, np.eye(1), np.array([0, 0, 1, 1]), starts)
    assert found.settled.all()
    assert found.eta[0, 0] < -1.0
    assert found.eta[1, 0] > 1.0
    np.testing.assert_allclose(two_wells(np.array([0, 1]), found.eta).gradient, 0.0, atol=1e-3)


def test_from_one_side_alone_the_shallow_one_is_all_there_is() -> None:
    found = descend(two_wells, np.eye(1), np.array([0, 1]), np.array([[1.5], [-1.5]]))
    assert found.eta[0, 0] > 0.5
    assert found.eta[1, 0] < -0.5


def test_scattered_starts_lie_along_the_axes() -> None:
    found = scattered(np.diag([0.04, 0.25]))
    np.testing.assert_allclose(found, [[0, 0], [0.24, 0], [0, 0.6], [-0.24, 0], [0, -0.6]])


def cliff(which: Integers, eta: Floats) -> Look:
    """(x - 1)^2 / 2, and beyond 5 so steep that only the slope's sign is known."""
    del which
    x = eta[:, 0]
    far = x > 5.0
    slope, bend = np.where(far, 1e307, x - 1.0), np.where(far, 1e307, 1.0)[:, None, None]
    return Look(np.where(far, 1e300 * (1.0 + x), 0.5 * (x - 1.0) ** 2), slope[:, None], bend, bend.copy())


def test_a_start_where_slopes_are_no_numbers_to_count_with_comes_back() -> None:
    found = descend(cliff, np.array([[0.01]]), np.array([0]), np.array([[400.0]]))
    assert found.settled.all()
    np.testing.assert_allclose(found.eta, 1.0, atol=1e-3)
