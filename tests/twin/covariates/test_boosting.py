"""Boosted trees ask the questions that explain most, and add up what they answer."""

from __future__ import annotations

import numpy as np

from twin.covariates.boosting import RATE, boosted

RNG = np.random.default_rng(5)


def test_a_step_is_found_where_it_is() -> None:
    x = RNG.normal(size=(100, 3))
    y = np.where(x[:, 1] > 0.3, 1.0, -1.0)
    trees = boosted(x, y, np.ones(100), 200, 5)
    assert trees.column[0, 0] == 1
    below, above = x[x[:, 1] <= 0.3, 1].max(), x[x[:, 1] > 0.3, 1].min()
    assert trees.limit[0, 0] == 0.5 * (below + above)
    np.testing.assert_allclose(trees.predict(x), y, atol=1e-6)
    # The first tree alone says its share of it.
    np.testing.assert_allclose(trees.predict(x, 1), RATE * y, atol=1e-12)


def test_two_covariates_may_act_together() -> None:
    x = RNG.uniform(-1.0, 1.0, size=(400, 2))
    y = np.sign(x[:, 0]) * np.sign(x[:, 1]) + 0.2 * x[:, 0]
    trees = boosted(x, y, np.ones(400), 100, 5)
    assert np.corrcoef(trees.predict(x), y)[0, 1] > 0.95
    assert trees.asked == [0, 1]


def test_weights_say_how_much_a_patient_counts() -> None:
    x, y = np.arange(20.0)[:, None], np.where(np.arange(20) < 10, 0.0, np.where(np.arange(20) % 2, 1.0, 3.0))
    weight = np.where(np.arange(20) % 2, 1.0, 1e-9)
    trees = boosted(x, y, weight, 300, 5)
    np.testing.assert_allclose(trees.predict(np.array([[2.0], [15.0]])), [0.0, 1.0], atol=1e-3)


def test_nothing_is_asked_of_too_few_patients_or_of_what_is_the_same_in_all() -> None:
    x = RNG.normal(size=(9, 1))
    few = boosted(x, x[:, 0], np.ones(9), 3, 5)
    assert few.asked == []
    np.testing.assert_allclose(few.predict(x, 1), RATE * x.mean())
    assert boosted(np.ones((50, 1)), RNG.normal(size=50), np.ones(50), 3, 5).asked == []
