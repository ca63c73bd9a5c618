"""Of what few patients say a part is taken, of what many say nearly all; later patients are foreseen better by it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.learning.known import anchor, exact_ml, particles, ward
from tests.twin.population.mixture import mixtures
from twin.learning.estimation import learnt
from twin.learning.population import anchor_of
from twin.learning.shrinkage import numbers_learnt, share_taken, shrunk


def test_every_number_that_is_learnt_counts() -> None:
    assert numbers_learnt(anchor()) == 5, "two means, two variances and a covariance"
    model = mixtures.eliminated()
    assert numbers_learnt(anchor_of(model)) == 5, "two means, two variances, one share"
    assert numbers_learnt(anchor_of(model, hold=["CL", "SORT"], learn=["ratio", "plasma"])) == 5


def test_nothing_is_taken_of_what_chance_makes_and_nearly_all_of_what_is_clear() -> None:
    assert share_taken(6, 3.0) == share_taken(6, -1.0) == 0.0
    assert share_taken(6, 6.0) == 0.5
    assert share_taken(6, 24.0) == pytest.approx(1 - 1 / 8)
    assert share_taken(6, 300.0) == pytest.approx(1 - 8 * 0.01**2)
    shares = [share_taken(6, gain) for gain in np.linspace(0.0, 100.0, 1001)]
    assert (np.diff(shares) >= 0).all()
    assert max(np.diff(shares)) < 0.04, "no step in it"


def test_the_way_from_the_published_population_is_straight() -> None:
    found = learnt(anchor(), particles(*ward(30)))
    one, whole, none = (shrunk(anchor(), found.theta, share) for share in (0.25, 1.0, 0.0))
    assert one.mean == pytest.approx(0.25 * found.theta.mean)
    assert np.linalg.eigvalsh(one.covariance).min() > 0
    assert all(np.array_equal(a, b) for a, b in zip(whole, found.theta, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(none, anchor().published, strict=True))


def test_of_patients_who_are_as_published_later_ones_are_foreseen_better() -> None:
    """Of 200 wards of 30 patients each whose effects are seen as they are: by the expected score of a later patient."""
    rng, better = np.random.default_rng(2), []
    for _ in range(200):
        seen = rng.standard_normal((30, 2))
        mean, covariance = seen.mean(axis=0), np.cov(seen.T, bias=True)
        gain = 15.0 * (mean @ mean + np.trace(covariance) - 2.0 - np.linalg.slogdet(covariance)[1])
        shares = 1.0, share_taken(5, float(gain + 0.0))
        each = [(share * mean, np.eye(2) + share * (covariance - np.eye(2))) for share in shares]
        lost = [np.trace(np.linalg.inv(c)) + m @ np.linalg.solve(c, m) + np.linalg.slogdet(c)[1] for m, c in each]
        better.append(lost[0] - lost[1])
    assert np.mean(better) > 0.1
    assert np.mean(np.array(better) > 0) > 0.95


def test_maximum_likelihood_itself_is_what_is_shrunk() -> None:
    few = learnt(anchor(), particles(*ward(30)))
    best, _ = exact_ml(*ward(30))
    share = share_taken(numbers_learnt(anchor()), few.gain)
    assert 0.3 < share < 0.99
    assert shrunk(anchor(), few.theta, share).mean * anchor().sd == pytest.approx(share * best, abs=0.02)
