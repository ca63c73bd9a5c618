"""Visual predictive checks: percentiles and shares of measured values beside those of simulated sets.

With prediction correction (Bergstrand et al. 2011, AAPS J 13:143) values of patients with different doses and
covariates are made comparable by what the model typically predicts for them: in each bin of time, a value y_ij with
the typical prediction PRED_ij becomes

    pcY_ij = y_ij * (median of PRED in the bin) / PRED_ij,

and so do the values that the model simulates in their place. Then the 5th, 50th and 95th percentiles of the bin are
held against the spread that those of the simulated sets have. Of what is counted and not measured, a category or a
value that is known only by a limit, it is the share in the bin that is held against theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats

PERCENTILES = (5.0, 50.0, 95.0)

MOST_BINS = 10

LEAST_IN_BIN = 12
"""Values that a bin should hold, for its percentiles to mean something."""


@dataclass(frozen=True)
class Bin:
    """Values between two times: percentiles (3,) of them, and the 90 % interval (3, 2) and median (3,) of the same
    percentiles of simulated sets."""

    start: float
    end: float
    middle: float
    values: int
    observed: Floats
    expected: Floats
    interval: Floats


@dataclass(frozen=True)
class PredictiveCheck:
    """``times`` and ``values`` (n,), which may be prediction-corrected, and the bins."""

    times: Floats
    values: Floats
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Share:
    """Values between two times: how large a share of them is something, and the 90 % interval (2,) and median of that
    share of simulated sets."""

    start: float
    end: float
    middle: float
    values: int
    observed: float
    expected: float
    interval: Floats


def predictive_check(
    times: Floats,
    observed: Floats,
    population: Floats,
    simulated: Floats,
    *,
    corrected: bool = True,
    limits: tuple[Floats, Floats] | None = None,
) -> PredictiveCheck:
    """The check of n values of one output from all patients, prediction-corrected or not.

    Args:
        times, observed, population: (n,) time, value and PRED of each; at least one.
        simulated: (K, n) values that the model gives in their place, each row a simulated set.
        limits: lower and upper (n,), infinite where there is none; what is not beyond them is known. Others, measured
            or simulated, are the lowest (or highest) of their bin, and stand at the lowest (highest) limit there.
    """
    order = np.argsort(times, kind="stable")
    times, observed, population, simulated = times[order], observed[order], population[order], simulated[:, order]
    bounds = [(one[order], side) for one, side in zip(limits or (), (-1.0, 1.0), strict=False)]
    values = np.array(observed, dtype=np.float64)
    bins = []
    for members in _binned(times):
        middle = float(np.median(population[members]))
        # A typical prediction of nothing (a level before the dose) corrects nothing.
        usable = (population[members] > 0) & (middle > 0)
        factor = np.where(usable & corrected, middle / np.where(usable, population[members], 1.0), 1.0)
        values[members] *= factor
        sets = simulated[:, members] * factor
        for bound, side in bounds:
            edge = (side * bound[members] * factor).max()
            values[members] = np.where(side * observed[members] >= side * bound[members], side * edge, values[members])
            sets = np.where(side * simulated[:, members] >= side * bound[members], side * edge, sets)
        levels = np.percentile(sets, PERCENTILES, axis=1)
        bins.append(
            Bin(
                float(times[members[0]]),
                float(times[members[-1]]),
                float(np.median(times[members])),
                len(members),
                np.percentile(values[members], PERCENTILES),
                np.median(levels, axis=1),
                np.percentile(levels, (5, 95), axis=1).T,
            )
        )
    return PredictiveCheck(times, values, tuple(bins))


def share_check(times: Floats, observed: NDArray[np.bool_], simulated: NDArray[np.bool_]) -> tuple[Share, ...]:
    """The check of a share, of which values (n,) are something, and simulated ones (K, n) in their place."""
    order = np.argsort(times, kind="stable")
    times, observed, simulated = times[order], observed[order], simulated[:, order]
    bins = []
    for members in _binned(times):
        shares = simulated[:, members].mean(axis=1)
        bins.append(
            Share(
                float(times[members[0]]),
                float(times[members[-1]]),
                float(np.median(times[members])),
                len(members),
                float(observed[members].mean()),
                float(np.median(shares)),
                np.percentile(shares, (5, 95)),
            )
        )
    return tuple(bins)


def _binned(times: Floats) -> list[NDArray[np.intp]]:
    """Indices of about equally many values each, in order of time; values of one time stay together."""
    count = int(np.clip(len(times) // LEAST_IN_BIN, 1, MOST_BINS))
    edges = np.unique(np.quantile(times, np.linspace(0, 1, count + 1)[1:-1]))
    place = np.searchsorted(edges, times, side="right")
    return [np.flatnonzero(place == i) for i in np.unique(place)]
