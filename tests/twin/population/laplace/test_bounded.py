"""What stands for a curvature that is flat in some directions, and derivatives through it."""

from __future__ import annotations

import numpy as np
import pytest

from twin.population.laplace.bounded import Bounded

FACTOR = np.array([[0.8, 0.0, 0.0], [0.3, 0.5, 0.0], [-0.2, 0.1, 1.2]])

CURVATURE = np.array([[6.0, 1.0, 0.5], [1.0, 2.0, -0.7], [0.5, -0.7, -0.1]])


def test_where_nothing_is_flat_it_is_the_curvature_itself() -> None:
    steep = CURVATURE + 4.0 * np.eye(3)
    found = Bounded.of(steep[None], FACTOR, 0.3)
    np.testing.assert_allclose(found.h[0], steep, rtol=1e-12)
    assert found.log_det[0] == pytest.approx(np.linalg.slogdet(FACTOR.T @ steep @ FACTOR)[1])
    by_h = np.ones((1, 3, 3))
    np.testing.assert_allclose(found.by_curvature(by_h), by_h)


def test_derivatives_by_the_curvature_are_what_differences_say() -> None:
    found = Bounded.of(CURVATURE[None], FACTOR, 1.5)
    assert not np.allclose(found.h[0], CURVATURE)
    by_h = np.array([[0.3, -0.1, 0.4], [-0.1, 1.1, 0.2], [0.4, 0.2, 0.7]])
    by_curvature = found.by_curvature(by_h[None])[0]
    for i in range(3):
        for j in range(i + 1):
            step = np.zeros((3, 3))
            step[i, j] = step[j, i] = 1e-5
            up, down = (Bounded.of((CURVATURE + side * step)[None], FACTOR, 1.5) for side in (1.0, -1.0))
            expected = ((up.h - down.h)[0] * by_h).sum() / 2e-5
            assert (by_curvature * step).sum() / 1e-5 == pytest.approx(expected, rel=1e-5, abs=1e-7)
            log_det = (up.log_det - down.log_det)[0] / 2e-5
            assert (found.slope[0] * step).sum() / 1e-5 == pytest.approx(log_det, rel=1e-5, abs=1e-7)
