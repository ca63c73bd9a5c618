"""Chance depends on its purpose alone, and fills what it fills evenly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from twin.randomness import SOBOL_BITS, even_normals, even_points, generator


def test_chance_is_keyed_by_every_part_of_its_purpose() -> None:
    same = generator("P-1", "event", "move", 1).random(4)
    assert np.array_equal(same, generator("P-1", "event", "move", 1).random(4))
    for other in [("P-1", "event", "move", 2), ("P-1", "eventm", "ove", 1), ("P-1event", "move", 1)]:
        assert not np.array_equal(same, generator(*other).random(4))


@pytest.mark.filterwarnings("error")
@given(st.integers(1, 300), st.integers(0, 12), st.integers(0, 100))
def test_even_points_lie_inside_the_cube_and_are_the_same_for_the_same_key(
    count: int, dimension: int, seed: int
) -> None:
    points = even_points(generator("even", seed), count, dimension)
    assert points.shape == (count, dimension)
    assert ((points > 0) & (points < 1)).all()
    assert np.array_equal(points, even_points(generator("even", seed), count, dimension))


@pytest.mark.parametrize(("count", "dimension"), [(1, 1), (2, 2), (5, 3), (37, 40), (300, 120), (1000, 7), (1025, 2)])
def test_even_points_are_those_of_scipy_bit_for_bit(count: int, dimension: int) -> None:
    key = np.random.Generator(np.random.Philox(int(generator("even", count).integers(2**62))))
    whole = qmc.Sobol(dimension, bits=SOBOL_BITS, rng=key).random_base2(max(count - 1, 1).bit_length())
    found = even_points(generator("even", count), count, dimension)
    np.testing.assert_array_equal(found, whole[:count] + 0.5 ** (SOBOL_BITS + 1))


def test_even_points_leave_no_stretch_empty_nor_crowded() -> None:
    points = even_points(generator("even"), 1000, 4)
    for column in points.T:
        counts, _ = np.histogram(column, bins=50, range=(0, 1))
        assert 15 <= counts.min() <= counts.max() <= 25
    quarters = np.histogramdd(points, bins=4, range=[(0, 1)] * 4)[0]
    assert quarters.min() >= 1
    assert not np.isin(points, even_points(generator("another"), 1000, 4)).any()


def test_even_normals_have_the_moments_of_the_normal_distribution_closer_than_chance_has() -> None:
    for seed in range(5):
        draws = even_normals(generator("normals", seed), 1000, 3)
        np.testing.assert_allclose(draws.mean(axis=0), 0.0, atol=0.01)
        np.testing.assert_allclose(np.cov(draws.T), np.eye(3), atol=0.03)
