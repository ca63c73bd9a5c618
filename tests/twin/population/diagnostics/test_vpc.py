"""The prediction-corrected check: corrections as published, bins of values, and a right model inside its bands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.population.diagnostics.vpc import LEAST_IN_BIN, MOST_BINS, predictive_check, share_check
from twin.randomness import generator


def test_a_value_is_corrected_by_the_predictions_of_its_bin() -> None:
    times, observed = np.array([1.0, 1.0, 1.0]), np.array([10.0, 40.0, 90.0])
    population = np.array([10.0, 20.0, 40.0])
    found = predictive_check(times, observed, population, np.tile(population, (5, 1)))
    assert found.values.tolist() == [20.0, 40.0, 45.0]
    (one,) = found.bins
    assert one.values == 3
    assert one.observed[1] == 40.0
    assert one.expected.tolist() == [20.0, 20.0, 20.0]
    assert one.interval[1].tolist() == [20.0, 20.0]


def test_what_is_not_expected_at_all_is_left_as_it_is() -> None:
    found = predictive_check(np.zeros(3), np.array([0.5, 2.0, 3.0]), np.array([0.0, 2.0, 2.0]), np.ones((4, 3)))
    assert found.values[0] == 0.5


def test_a_right_model_lies_inside_its_bands_and_one_with_too_little_scatter_does_not() -> None:
    rng = generator("vpc")
    dose = np.repeat(rng.choice([50.0, 100.0, 200.0], 60), 6)
    times = np.tile(np.arange(1.0, 7.0), 60)
    population = dose * np.exp(-0.3 * times)

    def drawn(spread: float, sets: int) -> np.ndarray:
        between = np.repeat(rng.standard_normal((sets, 60)), 6, axis=1)
        return population * np.exp(0.3 * between + spread * rng.standard_normal((sets, 360)))

    observed = drawn(0.2, 1)[0]
    inside = [
        bool(one.interval[k, 0] <= one.observed[k] <= one.interval[k, 1])
        for one in predictive_check(times, observed, population, drawn(0.2, 300)).bins
        for k in range(3)
    ]
    assert np.mean(inside) > 0.75
    calm = predictive_check(times, observed, population, population * np.ones((300, 1)) * 1.02)
    assert all(one.observed[2] > one.interval[2, 1] for one in calm.bins)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200), st.integers(1, 4))
def test_every_value_is_in_one_bin_and_bins_follow_one_another(times: list[float], sets: int) -> None:
    values = np.arange(len(times)) + 1.0
    found = predictive_check(np.array(times), values, np.ones(len(times)), np.ones((sets, len(times))))
    assert sum(one.values for one in found.bins) == len(times)
    assert 1 <= len(found.bins) <= min(MOST_BINS, max(1, len(times) // LEAST_IN_BIN))
    assert all(a.end < b.start for a, b in zip(found.bins, found.bins[1:], strict=False))
    assert found.times.tolist() == sorted(times)
    assert sorted(found.values) == pytest.approx(sorted(values))


def test_without_correction_values_stay_as_they_are() -> None:
    times, observed, population = np.ones(3), np.array([10.0, 40.0, 90.0]), np.array([10.0, 20.0, 40.0])
    found = predictive_check(times, observed, population, np.tile(population, (5, 1)), corrected=False)
    assert found.values.tolist() == [10.0, 40.0, 90.0]
    assert found.bins[0].expected[1] == 20.0


def test_a_share_lies_in_the_interval_of_simulated_ones_when_the_model_is_right() -> None:
    rng = generator("shares")
    times = np.repeat(np.arange(5.0), 40)
    chance = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], 40)
    simulated = rng.random((400, 200)) < chance
    right = share_check(times, rng.random(200) < chance, simulated)
    assert [one.values for one in right] == [40] * 5
    assert sum(one.interval[0] <= one.observed <= one.interval[1] for one in right) >= 4
    wrong = share_check(times, rng.random(200) < 1 - chance, simulated)
    assert sum(one.interval[0] <= one.observed <= one.interval[1] for one in wrong) <= 2


def test_what_lies_beyond_a_limit_is_the_lowest_of_its_bin_however_it_is_corrected() -> None:
    times, population = np.ones(4), np.array([10.0, 10.0, 10.0, 0.1])
    low, high = np.full(4, 1.0), np.full(4, np.inf)
    # The last is known only to lie below 1; its correction is a hundredfold.
    observed = np.array([5.0, 6.0, 1.0, 1.0])
    simulated = np.array([[4.0, 6.0, 0.2, 0.3], [5.0, 7.0, 2.0, 0.1]])
    (one,) = predictive_check(times, observed, population, simulated, limits=(low, high)).bins
    np.testing.assert_allclose(one.observed, np.percentile([1.0, 1.0, 5.0, 6.0], (5, 50, 95)))
    np.testing.assert_allclose(
        one.expected,
        np.median([np.percentile(s, (5, 50, 95)) for s in ([4.0, 6.0, 1.0, 1.0], [5.0, 7.0, 2.0, 1.0])], axis=0),
    )
