"""Quantiles of weighted particles, against distributions that are known."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from twin.filter.quantiles import QUANTILES, quantiles
from twin.randomness import generator

samples = st.lists(
    st.tuples(st.integers(-1000, 1000), st.floats(1e-3, 1.0)), min_size=1, max_size=25, unique_by=lambda s: s[0]
)


def test_quantiles_of_a_large_sample_are_those_of_its_distribution() -> None:
    values = generator("quantiles").standard_normal(100_000)
    found = quantiles(values, np.full(100_000, 1e-5))
    np.testing.assert_allclose(found, stats.norm.ppf(QUANTILES), atol=0.02)


def test_weights_shift_quantiles_as_importance_sampling_does() -> None:
    values = generator("weighted").standard_normal(200_000)
    weight = np.exp(values - 0.5)  # a normal around 1
    np.testing.assert_allclose(quantiles(values, weight / weight.sum()), 1 + stats.norm.ppf(QUANTILES), atol=0.04)


@given(samples, st.randoms(use_true_random=False))
def test_quantiles_are_ordered_within_the_sample_and_blind_to_its_order(
    sample: list[tuple[int, float]], random: object
) -> None:
    values, weight = (np.array(column, dtype=np.float64) for column in zip(*sample, strict=True))
    weight = weight / weight.sum()
    found = quantiles(values, weight)
    assert (np.diff(found) >= 0).all()
    assert values.min() <= found[0]
    assert found[-1] <= values.max()
    order = np.array(random.sample(range(len(values)), len(values)))  # type: ignore[attr-defined]
    np.testing.assert_allclose(quantiles(values[order], weight[order]), found, rtol=1e-9, atol=1e-6)


@given(st.lists(st.lists(st.integers(-9, 9), min_size=4, max_size=4), min_size=1, max_size=3), st.integers(1, 4))
def test_particles_that_weigh_alike_are_summed_up_to_the_same_bits(rows: list[list[int]], copies: int) -> None:
    values = np.tile(np.array(rows, dtype=np.float64), copies) / 7.0
    weight = np.full(values.shape[1], 1.0 / values.shape[1])
    at, levels = np.cumsum(weight) - 0.5 * weight, (0.0, *QUANTILES, 1.0)
    known = [np.interp(levels, at, np.sort(row)) for row in values]
    assert np.array_equal(quantiles(values, weight, levels), known)


def test_a_particle_that_overflowed_is_left_out() -> None:
    values, weight = np.array([1.0, np.nan, 2.0, np.inf, 3.0]), np.full(5, 0.2)
    assert np.array_equal(quantiles(values, weight), quantiles(np.array([1.0, 2.0, 3.0]), np.full(3, 1 / 3)))
    assert quantiles(np.full(3, np.nan), np.full(3, 1 / 3)).tolist() == [0.0] * 5
