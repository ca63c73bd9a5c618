"""The correlation of the residuals of outputs: what one says of another, and as numbers that may go anywhere.

A residual beside others of the same instant is normal,

    z_j | z_e  ~  N(slope z_e, sd^2),      slope = C_je C_ee^-1,      sd^2 = 1 - slope C_ej,

z being residuals in units of their scale, and C their correlation. As numbers,

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
from twin.model.measured.error import ErrorSpec, GivenSpec

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


def blocks_of(errors: Sequence[ErrorSpec]) -> list[int]:
    """Of each output the first one that it correlates with, at once or through others; -1 of one that stands alone."""
    reach = pattern_of(errors)
    for _ in range(len(reach)):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    return [int(np.flatnonzero(row)[0]) if row.sum() > 1 else -1 for row in reach]


def given_others(errors: Sequence[ErrorSpec], output: int, others: Sequence[int]) -> GivenSpec:
    """The law of an output's residual given those of ``others`` (k,)."""
    places = [output, *others]
    correlation = correlation_of(errors)[np.ix_(places, places)]
    slope = np.linalg.solve(correlation[1:, 1:], correlation[1:, 0])
    left = 1.0 - float(slope @ correlation[1:, 0])
    return GivenSpec(
        tuple(errors[other] for other in others),
        tuple(map(tuple, correlation.tolist())),
        tuple(slope.tolist()),
        float(np.sqrt(left)),
    )


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
