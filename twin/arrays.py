"""Array types that signatures speak of; shapes stand in docstrings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def storable(values: Floats) -> Floats:
    """Values rounded to float32, as float64: what is stored in single precision is exactly what was computed with."""
    return values.astype(np.float32).astype(np.float64)


def each_row(rows: Floats, matrix: Floats) -> Floats:
    """Rows (N, M) times a matrix (M, K): what comes of a row hangs on no other row, to the last bit.

    A library of linear algebra sums in another order where there are more rows, as its processor likes it.
    """
    return np.asarray(np.matmul(rows[:, None, :], matrix)[:, 0, :])
