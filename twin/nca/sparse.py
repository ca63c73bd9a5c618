"""One course of many patients of whom each gave a few samples: areas under the means, with their error.

Nedelman and Jia 1998, J Biopharm Stat 8 317 (patients with several samples share errors between times); for one sample
each Bailer 1988, J Pharmacokinet Biopharm 16 303; degrees of freedom by Satterthwaite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from twin.arrays import Floats
from twin.nca.profile import NcaError

INTERVAL = 0.95
"""Coverage of the interval of the area."""


class SparseArea(NamedTuple):
    """Means (n,) at each time (n,) of so many patients (n,), what they come to, by name, and what to know of it."""

    times: Floats
    means: Floats
    patients: Floats
    found: dict[str, float]
    remarks: tuple[str, ...] = ()


def sparse_area(
    patients: Sequence[str],
    times: Sequence[float] | Floats,
    values: Sequence[float] | Floats,
    *,
    from_nothing: bool = False,
) -> SparseArea:
    """The linear trapezoidal area under the means to the last time, and its standard error.

    It begins at the dose where a value was measured then or nothing can have been there (as Phoenix WinNonlin inserts a
    0), else at the first time, which a remark says.

    Args:
        patients: (k,) whose value it is; one of each patient at a time.
        times: (k,) planned ones, so that they are equal where they were meant to be.
        values: (k,) concentrations, 0 where nothing was measurable.
        from_nothing: nothing was there at the dose: a single one, extravascular or an infusion.

    Raises:
        NcaError: fewer than two times, a time with one patient alone, or a patient twice at one.
    """
    at, found = np.asarray(times, dtype=float), np.asarray(values, dtype=float)
    grid = np.unique(at)
    if len(grid) < 2:
        raise NcaError(f"{len(grid)} times: an area of means needs two at least")
    names = sorted(set(patients))
    table = np.full((len(names), len(grid)), np.nan)
    row = {name: number for number, name in enumerate(names)}
    for name, time, value in zip(patients, at, found, strict=True):
        column = int(np.searchsorted(grid, time))
        if not np.isnan(table[row[name], column]):
            raise NcaError(f"patient {name} has two values at time {time:g}: keep one, or use the planned times")
        table[row[name], column] = value
    counts = np.isfinite(table).sum(axis=0)
    if (counts < 2).any():
        alone = grid[counts < 2][0]
        raise NcaError(f"time {alone:g} has a value of one patient alone: use the planned times, or leave it out")
    means = np.nanmean(table, axis=0)
    supplied = from_nothing and grid[0] > 0.0
    weights = _trapezoids(np.concatenate(([0.0], grid)))[1:] if supplied else _trapezoids(grid)
    late = grid[0] > 0.0 and not supplied
    remarks = (f"the area begins at {grid[0]:g}, the first time, and not at the dose",) if late else ()
    variance, diagonal = _variance(table, means, counts, weights)
    peak = int(np.argmax(means))
    area, error = float(weights @ means), float(np.sqrt(variance))
    freedom = float(diagonal.sum() ** 2 / (diagonal**2 / (counts - 1)).sum()) if diagonal.any() else np.inf
    reach = float(student.ppf((1 + INTERVAL) / 2, freedom)) * error
    return SparseArea(
        grid,
        means,
        counts.astype(float),
        {
            "auc_sparse": area,
            "auc_sparse_se": error,
            "auc_sparse_df": freedom,
            "auc_sparse_lower": area - reach,
            "auc_sparse_upper": area + reach,
            "cmax_sparse": float(means[peak]),
            "cmax_sparse_se": float(np.sqrt(np.nanvar(table[:, peak], ddof=1) / counts[peak])),
            "tmax": float(grid[peak]),
        },
        remarks,
    )


def _trapezoids(grid: Floats) -> Floats:
    """Weights (n,) by which values at these times add up to the linear trapezoidal area."""
    weights = np.zeros(len(grid))
    weights[1:] += 0.5 * np.diff(grid)
    weights[:-1] += 0.5 * np.diff(grid)
    return weights


def _variance(table: Floats, means: Floats, counts: Floats, weights: Floats) -> tuple[float, Floats]:
    """Variance of the weighted sum of means, and the part (n,) of each time by itself.

    Two times share what patients sampled at both tell of their covariance; its divisor makes it unbiased where some
    were sampled at one of them only (Nedelman and Jia 1998, equation 4).
    """
    known = np.isfinite(table)
    centred = np.where(known, table - means, 0.0)
    both = known.T.astype(float) @ known.astype(float)
    products = centred.T @ centred
    divisor = both - 1 + (1 - both / counts[:, None]) * (1 - both / counts[None, :])
    covariance = np.divide(products, divisor, out=np.zeros_like(products), where=(both > 0) & (divisor > 0))
    shares = np.outer(weights, weights) * covariance * both / np.outer(counts, counts)
    return max(float(shares.sum()), 0.0), np.diag(shares).copy()
