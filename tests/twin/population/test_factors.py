"""A covariance comes out of its factor as the model allows it, whatever the vector is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twin.population.factors import Factor, blocks_of, factor_of

CHAIN = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], dtype=bool)
"""The first and the last correlate with the middle one, and not with each other."""

FREE = [(0, 0, 0), (1, 1, 0), (2, 1, 1), (3, 2, 1), (4, 2, 2)]


def test_what_correlates_through_others_is_one_block() -> None:
    apart = np.eye(4, dtype=bool)
    apart[:3, :3] = CHAIN
    assert set(blocks_of(apart)) == {frozenset({0, 1, 2}), frozenset({3})}


@given(st.lists(st.floats(-2.0, 2.0), min_size=5, max_size=5))
def test_a_pair_that_is_not_listed_has_no_covariance_and_the_whole_is_one(vector: list[float]) -> None:
    found = Factor.of(CHAIN, np.eye(3), FREE).covariance(np.array(vector))
    assert found[2, 0] == 0.0
    assert (found == found.T).all()
    assert np.linalg.eigvalsh(found).min() > 0.0


def test_what_is_not_free_stays_as_it_was() -> None:
    start = np.array([[0.5, 0.1], [0.1, 0.3]])
    everything = np.ones((2, 2), dtype=bool)
    assert np.allclose(Factor.of(everything, start, []).covariance(np.empty(0)), start)
    moved = Factor.of(everything, start, [(0, 0, 0)]).covariance(np.array([0.2]))
    assert moved[0, 0] == np.exp(0.2) ** 2
    assert not len(factor_of(np.empty((0, 0))))
