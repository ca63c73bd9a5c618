"""Leaving out a patient moves estimates by what influence says, to first order."""

from __future__ import annotations

import numpy as np

from twin.population.diagnostics.influence import influence


def test_the_mean_of_many_values_moves_away_from_who_is_gone() -> None:
    # o_i = (y_i - mu)^2 / s2: the mean without i is mean + (mean - y_i) / (n - 1).
    y, s2 = np.random.default_rng(1).normal(5.0, 2.0, 200), 4.0
    score = -2.0 * (y - y.mean())[:, None] / s2
    covariance = np.array([[s2 / len(y)]])
    found = influence(score, covariance)
    moved = (y.mean() - y) / (len(y) - 1)
    np.testing.assert_allclose(found.shift[:, 0] * np.sqrt(covariance[0, 0]), moved, rtol=0.01)
    np.testing.assert_allclose(found.distance, moved**2 / covariance[0, 0], rtol=0.02)
