"""Prediction-corrected visual predictive check (Bergstrand et al. 2011, AAPS J 13:143).

Values of patients with different doses and covariates are made comparable by what the model typically predicts for
them: in each bin of time, a value y_ij with the typical prediction PRED_ij becomes

    pcY_ij = y_ij * (median of PRED in the bin) / PRED_ij,

and so do the values that the model simulates in their place. Then the 5th, 50th and 95th percentiles of the bin are
held against the spread that those of the simulated sets have.
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
    """Values between two times: percentiles (3,) of the prediction-corrected values, and the 90 % interval (3, 2) and
    median (3,) of the same percentiles of simulated sets."""

    start: float
    end: float
    middle: float
    values: int
    observed: Floats
    expected: Floats
    interval: Floats


@dataclass(frozen=True)
class PredictiveCheck:
    """``times`` and prediction-corrected ``values`` (n,), and the bins."""

    times: Floats
    values: Floats
    bins: tuple[Bin, ...]


def predictive_check(times: Floats, observed: Floats, population: Floats, simulated: Floats) -> PredictiveCheck:
    """The check of n values of one output from all patients.

    Args:
        times, observed, population: (n,) time, value and PRED of each; at least one.
        simulated: (K, n) values that the model gives in their place, each row a simulated set.
    """
    order = np.argsort(times, kind="stable")
    times, observed, population, simulated = times[order], observed[order], population[order], simulated[:, order]
    corrected = np.array(observed, dtype=np.float64)
    bins = []
    for members in _binned(times):
        middle = float(np.median(population[members]))
        # A typical prediction of nothing (a level before the dose) corrects nothing.
        usable = (population[members] > 0) & (middle > 0)
        factor = np.where(usable, middle / np.where(usable, population[members], 1.0), 1.0)
        corrected[members] *= factor
        levels = np.percentile(simulated[:, members] * factor, PERCENTILES, axis=1)
        bins.append(
            Bin(
                float(times[members[0]]),
                float(times[members[-1]]),
                float(np.median(times[members])),
                len(members),
                np.percentile(corrected[members], PERCENTILES),
                np.median(levels, axis=1),
                np.percentile(levels, (5, 95), axis=1).T,
            )
        )
    return PredictiveCheck(times, corrected, tuple(bins))


def _binned(times: Floats) -> list[NDArray[np.intp]]:
    """Indices of about equally many values each, in order of time; values of one time stay together."""
    count = int(np.clip(len(times) // LEAST_IN_BIN, 1, MOST_BINS))
    edges = np.unique(np.quantile(times, np.linspace(0, 1, count + 1)[1:-1]))
    place = np.searchsorted(edges, times, side="right")
    return [np.flatnonzero(place == i) for i in np.unique(place)]
