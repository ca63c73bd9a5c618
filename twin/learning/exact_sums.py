"""Sums of floats that do not depend on their order, to the last bit, nor on how they were cut into parts.

Every finite double is a whole multiple of 2^-1074, so a sum of doubles is a whole number of these, which Python adds
without rounding. Parts that were summed in several places add up to what one place would have got, and only what is
read in the end is rounded, once. (Neal 2015, arXiv:1505.05571, does the same with limbs.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats

SMALLEST = 1074
"""The smallest double is 2^-1074."""

Exact = NDArray[np.object_]
"""Whole numbers of 2^-1074; they are added with ``+``."""


def exact(values: Floats) -> Exact:
    """Values of any shape without rounding.

    Raises:
        ValueError: a value that is no number.

    >>> float(rounded(exact(np.array([1e100, 1.0, -1e100])).sum(keepdims=True))[0])
    1.0
    """
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("values: one is not finite, so that it has no sum")
    found = np.empty(values.shape, dtype=object)
    found.ravel()[:] = [_whole(value) for value in values.ravel().tolist()]
    return found


def rounded(total: Exact) -> Floats:
    """The doubles that are nearest to exact sums, of the same shape."""
    found = [value / (1 << SMALLEST) for value in total.ravel().tolist()]
    return np.array(found, dtype=np.float64).reshape(total.shape)


def as_text(total: Exact) -> list[str]:
    """Exact sums (n,) as hexadecimal texts, for a file."""
    return [format(value, "x") for value in total.tolist()]


def from_text(texts: Sequence[str]) -> Exact:
    """Inverse of `as_text`.

    Raises:
        ValueError: a text that is no hexadecimal number.
    """
    found = np.empty(len(texts), dtype=object)
    found[:] = [int(text, 16) for text in texts]
    return found


def _whole(value: float) -> int:
    over, under = value.as_integer_ratio()
    return over << (SMALLEST + 1 - under.bit_length())
