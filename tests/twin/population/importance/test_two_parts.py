"""What has two sides is found in two parts, and what has none in none."""

from __future__ import annotations

import numpy as np
import pytest

from twin.population.importance.draws import SPREAD
from twin.population.importance.two_parts import in_two


def test_two_modes_are_two_parts() -> None:
    rng = np.random.default_rng(1)
    first = rng.multivariate_normal([2.0, 0.0], [[0.2, 0.1], [0.1, 0.3]], 1500)
    second = rng.multivariate_normal([-2.0, 1.0], [[0.1, 0.0], [0.0, 0.1]], 500)
    eta = np.concatenate([first, second])
    found = in_two(eta, np.full(2000, 1.0 / 2000))
    assert found is not None
    means, factor = found
    order = np.argsort(-means[:, 0])
    np.testing.assert_allclose(means[order], [[2.0, 0.0], [-2.0, 1.0]], atol=0.06)
    covariance = (factor @ factor.swapaxes(1, 2) / SPREAD**2)[order]
    np.testing.assert_allclose(covariance, [[[0.2, 0.1], [0.1, 0.3]], [[0.1, 0.0], [0.0, 0.1]]], atol=0.05)


def test_shares_weigh_draws() -> None:
    rng = np.random.default_rng(2)
    eta = rng.uniform(-6.0, 6.0, (4000, 1))
    density = np.exp(-0.5 * (eta[:, 0] - 3.0) ** 2) + np.exp(-0.5 * (eta[:, 0] + 3.0) ** 2)
    found = in_two(eta, density / density.sum())
    assert found is not None
    assert sorted(found[0][:, 0].tolist()) == pytest.approx([-3.0, 3.0], abs=0.15)


def test_of_a_single_draw_there_are_no_two() -> None:
    eta = np.random.default_rng(3).standard_normal((100, 2))
    assert in_two(eta, np.eye(100)[0]) is None
