"""Are these numbers uniform on [0, 1]? Ranks and PIT values of a calibrated twin are.

At points z_i = i / K the number c_i of n independent uniform values below z_i is binomial (n, z_i). How unusual a whole
empirical distribution is, is how unusual its most unusual point is,

    gamma = min_i 2 min( P(C_i <= c_i), P(C_i >= c_i) ),

held against the same number of simulated uniform samples: so the test, and the envelope of all distributions it
accepts, hold for all points at once (Säilynoja, Bürkner & Vehtari 2022, Stat Comput 32:32, algorithm 1).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from twin.arrays import Floats
from twin.randomness import generator

INTERVALS = 50
"""K; the 100 values that a rank among 99 draws takes fall two to each interval."""

POINTS = np.arange(1, INTERVALS) / INTERVALS
"""z_1 .. z_(K-1)."""

SIMULATIONS = 20_000
"""Uniform samples that a p-value is read from; none is below 1 / 20,001."""


@dataclass(frozen=True)
class Envelope:
    """Smallest and largest share of n values below each of the points that the test accepts."""

    points: Floats
    low: Floats
    high: Floats


def p_value(values: Floats) -> float:
    """How probable a distribution at least as unusual as that of ``values`` (n,) is among uniform ones.

    Raises:
        ValueError: a value outside [0, 1], or none at all.
    """
    if not len(values):
        raise ValueError("values: there is none to test")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"values: from {values.min()} to {values.max()}, but they must lie in [0, 1]")
    below = np.searchsorted(np.sort(values), POINTS, side="left")
    gamma = _gamma(below[None], len(values))[0]
    return float((1 + np.count_nonzero(_null(len(values)) <= gamma)) / (SIMULATIONS + 1))


def envelope(count: int, alpha: float) -> Envelope:
    """Distributions of ``count`` values that the test accepts at the false-alarm rate ``alpha``."""
    gamma = float(np.quantile(_null(count), alpha))
    return Envelope(
        POINTS,
        np.asarray(stats.binom.ppf(gamma / 2, count, POINTS) / count),
        np.asarray(stats.binom.ppf(1 - gamma / 2, count, POINTS) / count),
    )


@functools.lru_cache(maxsize=64)
def _null(count: int) -> Floats:
    """gamma of `SIMULATIONS` samples of ``count`` uniform values."""
    rng = generator("uniformity", count)
    binned = rng.multinomial(count, np.full(INTERVALS, 1 / INTERVALS), SIMULATIONS)
    return _gamma(np.cumsum(binned, axis=1)[:, :-1], count)


def _gamma(below: NDArray[np.int64], count: int) -> Floats:
    """gamma (S,) of counts (S, K - 1) below the inner points."""
    at_most: Floats = np.asarray(stats.binom.cdf(np.arange(-1, count + 1)[:, None], count, POINTS))
    column = np.arange(len(POINTS))
    lower, upper = at_most[below + 1, column], 1.0 - at_most[below, column]
    return np.asarray(2.0 * np.minimum(lower, upper).min(axis=1))
