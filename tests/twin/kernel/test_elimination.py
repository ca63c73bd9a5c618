"""A planned elimination solves what a dense one solves, and fills in as little as an order of pivots can."""

from __future__ import annotations

import numpy as np
import pytest

from twin.kernel.loops.elimination import Elimination, eliminated


def solved(plan: Elimination, matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """What the plan makes of numbers, done as the stepper does it."""
    m = np.zeros(len(plan.place))
    for (row, column), place in plan.place.items():
        m[place] = matrix[row, column]
    for a, b, c in plan.factor:
        m[a] = 1.0 / m[a] if b < 0 else m[a] * m[b] if c < 0 else m[a] - m[b] * m[c]
    x = right.copy()
    for i, a, j in (*plan.forward, *plan.backward):
        x[i] = x[i] * m[a] if j < 0 else x[i] - m[a] * x[j]
    return x


@pytest.mark.parametrize("size", [1, 2, 7, 30])
def test_a_sparse_system_is_solved(size: int) -> None:
    rng = np.random.Generator(np.random.Philox(key=size))
    matrix = np.where(rng.random((size, size)) < 0.25, rng.normal(size=(size, size)), 0.0)
    np.fill_diagonal(matrix, 3.0 + np.abs(matrix).sum(axis=1))
    entries = {(int(r), int(c)) for r, c in np.argwhere(matrix)}
    right = rng.normal(size=size)
    found = solved(eliminated(size, entries), matrix, right)
    assert found == pytest.approx(np.linalg.solve(matrix, right), rel=1e-12)


def test_organs_around_one_vein_fill_nothing_in() -> None:
    around = {(0, i) for i in range(1, 20)} | {(i, 0) for i in range(1, 20)}
    plan = eliminated(20, around)
    assert len(plan.place) == 20 + len(around)
    assert len(plan.factor) == 20 + 2 * 19
