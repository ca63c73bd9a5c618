"""Quantiles of weighted particles, and of several clouds of them as one: what every band is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from twin.arrays import Floats

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Levels of every published band."""

Part = tuple[float, Floats, Floats]
"""A cloud's share, its values (..., N) and their weights (N,)."""


def pooled(parts: Iterable[Part]) -> tuple[Floats, Floats]:
    """Values (..., sum N) of all parts as one cloud, and its weights, which sum to one."""
    held = list(parts)
    total = sum(share for share, _, _ in held)
    # Parts whose shares have all come to nothing count alike.
    weights = [weight * (share / total if total > 0 else 1.0 / len(held)) for share, _, weight in held]
    return np.concatenate([values for _, values, _ in held], axis=-1), np.concatenate(weights)


def quantiles(values: Floats, weight: Floats, levels: Sequence[float] = QUANTILES) -> Floats:
    """Weighted quantiles (L,) of values (N,), or (M, L) of M rows (M, N), by the mid-point distribution function.

    A particle whose solution overflowed is left out.
    """
    if values.ndim == 1:
        return np.asarray(quantiles(values[None], weight, levels)[0])
    if np.isfinite(values).all():
        return _row_quantiles(values, weight, levels)
    found = np.zeros((len(values), len(levels)))
    for row, at in zip(found, values, strict=True):
        usable = np.isfinite(at)
        if usable.any():
            row[:] = _row_quantiles(at[None, usable], weight[usable] / max(weight[usable].sum(), 1e-300), levels)[0]
    return found


def _row_quantiles(rows: Floats, weight: Floats, levels: Sequence[float]) -> Floats:
    if (weight == weight[0]).all():
        return _unweighted(np.sort(rows, axis=1), np.cumsum(weight) - 0.5 * weight, np.array(levels))
    order = np.argsort(rows, axis=1)
    ranked, share = np.take_along_axis(rows, order, axis=1), weight[order]
    middle = np.cumsum(share, axis=1) - 0.5 * share
    return np.array([np.interp(levels, at, row) for at, row in zip(middle, ranked, strict=True)])


def _unweighted(ranked: Floats, at: Floats, levels: Floats) -> Floats:
    """The same for particles that weigh alike, as after each resampling: which stands where in its row (M, N) does not
    matter, so that values are sorted and not places, and all rows lie at the same ``at`` (N,)."""
    high = np.searchsorted(at, levels, side="right")
    low, high = np.maximum(high - 1, 0), np.minimum(high, len(at) - 1)
    between = (at[low] < levels) & (low < high)
    left = ranked[:, low]
    slope = (ranked[:, high] - left) / np.where(between, at[high] - at[low], 1.0)
    return np.where(between, slope * (levels - at[low]) + left, left)
