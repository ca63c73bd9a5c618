"""Array types that signatures speak of; shapes stand in docstrings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def storable(values: Floats) -> Floats:
    """Values rounded to float32, as float64: what is stored in single precision is exactly what was computed with."""
    return values.astype(np.float32).astype(np.float64)
