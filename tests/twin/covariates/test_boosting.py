"""Boosted trees ask the questions that explain most, and add up what they answer."""

from __future__ import annotations

import numpy as np

from twin.covariates.alike import Alike
from twin.covariates.boosting import RATE, boosted


def test_a_step_is_found_where_it_is() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(100, 3))
    y = np.where(x[:, 1] > 0.3, 1.0, -1.0)
    trees = boosted(x, y, np.ones(100), 200, 5, Alike.alone(100))
    assert trees.column[0, 0] == 1
    below, above = x[x[:, 1] <= 0.3, 1].max(), x[x[:, 1] > 0.3, 1].min()
    assert trees.limit[0, 0] == 0.5 * (below + above)
    np.testing.assert_allclose(trees.predict(x), y, atol=1e-6)
    # The first tree alone says its share of it.
    np.testing.assert_allclose(trees.predict(x, 1), RATE * y, atol=1e-12)


def test_two_covariates_may_act_together() -> None:
    rng = np.random.default_rng(5)
    x = rng.uniform(-1.0, 1.0, size=(400, 2))
    y = np.sign(x[:, 0]) * np.sign(x[:, 1]) + 0.2 * x[:, 0]
    trees = boosted(x, y, np.ones(400), 100, 5, Alike.alone(400))
    assert np.corrcoef(trees.predict(x), y)[0, 1] > 0.9
    assert trees.asked == [0, 1]


def test_weights_say_how_much_a_patient_counts() -> None:
    x, y = np.arange(20.0)[:, None], np.where(np.arange(20) < 10, 0.0, np.where(np.arange(20) % 2, 1.0, 3.0))
    weight = np.where(np.arange(20) % 2, 1.0, 1e-9)
    trees = boosted(x, y, weight, 300, 5, Alike.alone(20))
    np.testing.assert_allclose(trees.predict(np.array([[2.0], [15.0]])), [0.0, 1.0], atol=1e-3)


def test_nothing_is_asked_of_too_few_patients_or_of_what_is_the_same_in_all() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(9, 1))
    few = boosted(x, x[:, 0], np.ones(9), 3, 5, Alike.alone(9))
    assert few.asked == []
    np.testing.assert_allclose(few.predict(x, 1), RATE * x.mean())
    assert boosted(np.ones((50, 1)), rng.normal(size=50), np.ones(50), 3, 5, Alike.alone(50)).asked == []


def test_what_a_site_has_in_common_is_no_answer_to_a_question_about_its_patients() -> None:
    rng = np.random.default_rng(2)
    site = np.repeat(np.arange(20), 10)
    x = rng.normal(size=(200, 2))
    x[:, 1] = rng.normal(size=20)[site]
    y = 0.5 * np.sign(x[:, 0]) + 3.0 * rng.normal(size=20)[site] + 0.1 * rng.normal(size=200)
    trees = boosted(x, y - y.mean(), np.ones(200), 60, 5, Alike(site, 0.25 / 9.0))
    assert np.corrcoef(trees.predict(x), x[:, 0] > 0.0)[0, 1] > 0.95
    without = boosted(x, y - y.mean(), np.ones(200), 60, 5, Alike.alone(200))
    assert np.corrcoef(without.predict(x), x[:, 0] > 0.0)[0, 1] < 0.5
