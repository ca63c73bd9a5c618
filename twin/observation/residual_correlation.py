"""The correlation of the residuals of outputs as numbers that may go anywhere.

    C_ij = (L L')_ij / sqrt((L L')_ii (L L')_jj),      L lower, L_ii = 1,

is a correlation whatever the entries of L below its diagonal, and every correlation that is positive definite is one of
them. A pair that the model does not list stays at 0 as a covariance does (`twin.population.theta`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec

Entry = tuple[int, int]
"""Row and column, column < row: two outputs."""


def correlation_of(errors: Sequence[ErrorSpec]) -> Floats:
    """C (O, O) of the errors of all outputs."""
    found = np.eye(len(errors))
    for i, error in enumerate(errors):
        if error.beside:
            found[i, :i] = found[:i, i] = error.beside
    return found


def correlated(errors: Sequence[ErrorSpec], correlation: Floats) -> tuple[ErrorSpec, ...]:
    """Errors with other correlations, of those that have any."""
    return tuple(
        replace(error, beside=tuple(correlation[i, :i].tolist())) if error.beside else error
        for i, error in enumerate(errors)
    )


def pattern_of(errors: Sequence[ErrorSpec]) -> NDArray[np.bool_]:
    """(O, O) which outputs have residuals that correlate at once."""
    return np.asarray(correlation_of(errors) != 0.0)


def entries_of(correlation: Floats) -> Floats:
    """L (O, O) of a correlation."""
    factor = np.linalg.cholesky(correlation)
    return np.asarray(factor / np.diag(factor)[:, None])


def with_entries(lower: NDArray[Any], pattern: NDArray[np.bool_], entries: Mapping[Entry, float]) -> Floats:
    """C (O, O) with other ``entries`` of L; of a complex one its own kind."""
    found = lower.copy()
    for i in range(len(found)):
        for j in range(i):
            if (i, j) in entries:
                found[i, j] = entries[i, j]
            elif not pattern[i, j]:
                found[i, j] = -(found[i, :j] @ found[j, :j])
    full = found @ found.T
    size = np.sqrt(np.diag(full))
    full = full / np.outer(size, size)
    full[~pattern] = 0.0
    return np.asarray(full)
