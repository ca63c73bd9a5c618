"""Eigenbases give their matrices back, whoever works them out, and what has none is marked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from twin.solver import eigenbasis as eigenbases
from twin.solver.eigenbasis import Bases, eigenbasis

RATE = st.floats(1e-4, 1e3)


def of(*matrices: list[list[float]]) -> tuple[NDArray[np.float64], ...]:
    a = np.array(matrices, dtype=np.float64)
    c = np.zeros(a.shape[:2])
    return (*eigenbasis(a.copy(), c), c)


@given(RATE, RATE, RATE, RATE)
def test_two_compartments_are_given_back_with_the_slow_rate_exact(
    k10: float, k12: float, k21: float, k20: float
) -> None:
    a = [[-(k10 + k12), k21], [k12, -(k20 + k21)]]
    lam, v, w, c = of(a)
    np.testing.assert_allclose(v[0] @ np.diag(lam[0]) @ w[0], a, rtol=1e-9, atol=1e-12 * max(k10, k12, k20, k21))
    np.testing.assert_allclose(v[0] @ w[0], np.eye(2), atol=1e-9)
    assert not c.any()
    # The product of the rates is the determinant, the sum the trace, to the rounding of the matrix itself.
    known = k10 * k20 + k10 * k21 + k12 * k20
    assert lam[0].sum() == pytest.approx(np.trace(a), rel=1e-12)
    assert lam[0].prod() == pytest.approx(known, rel=1e-10, abs=1e-14 * (k10 + k12) * (k20 + k21))


@given(st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_chains_and_areas_are_given_back(size: int, seed: int) -> None:
    rng = np.random.Generator(np.random.Philox(key=seed))
    a = np.diag(-rng.uniform(0.1, 1.0, size) * 3.0 ** np.arange(size)) + np.diag(rng.uniform(0.1, 1.0, size - 1), -1)
    a[-1, -1] = 0.0
    lam, v, w, c = of(a.tolist())
    np.testing.assert_allclose(v[0] @ np.diag(lam[0]) @ w[0], a, atol=1e-9)
    assert not c.any()


@pytest.mark.parametrize(
    "a",
    [
        [[np.nan]],
        [[-1.0, 0.0], [1.0, -1.0]],  # equal rates in a row
        [[-1.0, 1.0], [-1.0, -1.0]],  # turning
        [[np.nan, 0.0], [0.0, -1.0]],
        [[-1.0, np.inf], [1.0, -1.0]],
        [[-1.0, 0.0, 0.0], [1.0, -1.0, 0.0], [0.0, 1.0, -1.0]],
        [[-1.0, 1.0, 0.0], [-1.0, -1.0, 0.0], [0.0, 0.0, -1.0]],
        [[np.nan, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]],
    ],
)
def test_what_has_no_real_basis_is_marked_and_its_neighbour_is_not(a: list[list[float]]) -> None:
    healthy = np.diag(-np.arange(1.0, len(a) + 1.0)).tolist()
    lam, v, w, c = of(a, healthy)
    assert np.isnan(c[0]).all()
    assert not c[1].any()
    np.testing.assert_allclose(v[1] @ np.diag(lam[1]) @ w[1], healthy, atol=1e-12)


def test_equal_rates_side_by_side_have_a_basis() -> None:
    lam, v, _, c = of([[-2.0, 0.0], [0.0, -2.0]])
    assert (lam[0] == -2.0).all()
    np.testing.assert_array_equal(v[0], np.eye(2))
    assert not c.any()


def test_no_states_are_no_basis() -> None:
    lam, v, w = eigenbasis(np.zeros((3, 0, 0)), np.zeros((3, 0)))
    assert (lam.shape, v.shape, w.shape) == ((3, 0), (3, 0, 0), (3, 0, 0))


def test_a_block_that_was_seen_gives_the_same_basis_and_flaw_without_another_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a = np.array([np.diag([-1.0, -2.0, -3.0]), [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]])
    bases, first_c, again_c = Bases(), np.zeros((2, 3)), np.zeros((2, 3))
    first = bases.of(a.copy(), first_c)
    monkeypatch.setattr(eigenbases, "eigenbasis", None)
    again = bases.of(a.copy(), again_c)
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert np.isnan(first_c[1]).all()
    assert np.array_equal(first_c, again_c, equal_nan=True)
