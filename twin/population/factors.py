"""A covariance of effects as the lower factor that stands in a vector, Omega = L L' with log L_ii.

What correlates, at once or through others, is a block; a pair within it that is not listed has covariance 0, and stays
there, since

    L_ij = -(sum_{k<j} L_ik L_jk) / L_jj     makes     omega_ij = 0,

whatever the other entries are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.model.spec import Model
from twin.population.values import Level


class Factor(NamedTuple):
    """Of a covariance what its factor is made of.

    ``lower`` is the factor at the start; what is free below its diagonal stands in ``rows`` and ``columns``, and ``at``
    places of the vector; on the diagonal ``on``, at ``on_at``; ``holes`` are zeros within a block, in order; ``above``
    the entries over the diagonal. ``pattern`` says which entries of the covariance are not 0.
    """

    lower: Floats
    rows: list[int]
    columns: list[int]
    at: list[int]
    on: list[int]
    on_at: list[int]
    holes: list[tuple[int, int]]
    above: tuple[Integers, Integers]
    pattern: NDArray[np.bool_]

    @classmethod
    def of(cls, pattern: NDArray[np.bool_], start: Floats, free: Sequence[tuple[int, int, int]]) -> Factor:
        """Of a covariance at its start, whose entries (place in the vector, i, j) are free."""
        lower = factor_of(start)
        off, on = [one for one in free if one[1] != one[2]], [one for one in free if one[1] == one[2]]
        pairs = [(i, j) for block in blocks_of(pattern) for i in block for j in block if j < i]
        holes = sorted((i, j) for i, j in pairs if not pattern[i, j])
        rows, columns, at = ([one[k] for one in off] for k in (1, 2, 0))
        above = np.triu_indices(len(lower), 1)
        return cls(lower, rows, columns, at, [i for _, i, _ in on], [n for n, *_ in on], holes, above, pattern)

    def covariance(self, vector: NDArray[np.float64] | NDArray[np.complex128]) -> Floats:
        """The covariance at a vector (K,), symmetric to the last bit."""
        lower = self.lower.astype(vector.dtype)
        lower[self.rows, self.columns] = vector[self.at]
        if len(self.on):
            lower[self.on, self.on] = np.exp(vector[self.on_at])
        for i, j in self.holes:
            lower[i, j] = -(lower[i, :j] @ lower[j, :j]) / lower[j, j]
        full = lower @ lower.T
        if self.holes:
            full[~self.pattern] = 0.0
        upper, left = self.above
        full[upper, left] = full[left, upper]
        return np.asarray(full)


def pattern_of_effects(model: Model, names: Sequence[str], level: Level) -> NDArray[np.bool_]:
    """(D, D) which entries of the covariance of the effects of these parameters a model has other than 0."""
    wanted = "iiv" if level == "omega" else level
    found = np.eye(len(names), dtype=np.bool_)
    for correlation in model.correlations:
        if correlation.level == wanted:
            i, j = (names.index(name) for name in correlation.between)
            found[i, j] = found[j, i] = True
    return found


def blocks_of(pattern: NDArray[np.bool_]) -> list[frozenset[int]]:
    """Groups of rows that correlate, at once or through others."""
    reach = pattern.copy()
    for _ in range(len(reach)):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    return list({frozenset(np.flatnonzero(row).tolist()) for row in reach})


def factor_of(omega: Floats) -> Floats:
    """Lower L of a positive definite covariance, of none where there are no effects."""
    return np.asarray(np.linalg.cholesky(omega)) if len(omega) else omega.copy()
