"""How a measured value scatters around what a particle predicts.

For prediction f and measured y, with z standard normal or Student-t(df):

    proportional   y = f (1 + p z)            additive      y = f + a z
    combined       y = f + sqrt(a^2 + p^2 f^2) z            log_additive  log y = log f + a z

A value known only to lie below a limit contributes the probability of lying there (M3 method, Beal 2001).
"""

from __future__ import annotations

import functools

import numpy as np
from scipy import special, stats

from twin.kernel import Floats
from twin.models import ErrorSpec

SMALLEST = 1e-12
"""Predictions of positive quantities are not taken below this (in the output's unit): log and scale stay finite."""

GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def scale(error: ErrorSpec, predicted: Floats) -> Floats:
    """Residual scale around predictions, on the log scale for ``log_additive``."""
    if error.kind == "log_additive":
        return np.full_like(predicted, error.additive)
    positive = np.maximum(np.abs(predicted), SMALLEST)
    if error.kind == "proportional":
        return np.asarray(error.proportional * positive)
    if error.kind == "additive":
        return np.full_like(predicted, error.additive)
    return np.asarray(np.sqrt(error.additive**2 + (error.proportional * positive) ** 2))


def standardised(error: ErrorSpec, value: float | Floats, predicted: Floats) -> Floats:
    """The residual of ``value`` in units of its scale, per prediction; -inf for a non-positive value on a log scale.

    ``value`` is one number for all predictions, or an array that broadcasts with them, as (n, 1) with (n, N).
    """
    if error.kind == "log_additive":
        z = (_logarithm(value) - np.log(np.maximum(predicted, SMALLEST))) / error.additive
        return np.where(np.greater(value, 0), z, -np.inf)
    return np.asarray((value - predicted) / scale(error, predicted))


def log_likelihood(
    error: ErrorSpec, value: float | Floats, predicted: Floats, below: float | Floats | None = None
) -> Floats:
    """Log density of a measured value given predictions (N,), or of ``y < below`` for a censored one.

    ``value`` or ``below`` may be an array that broadcasts with the predictions (see `standardised`).
    """
    if below is not None:
        return np.asarray(_log_cdf(error, standardised(error, below, predicted)))
    z = standardised(error, value, predicted)
    spread = scale(error, predicted)
    if error.df is None:
        density = -0.5 * z * z - 0.5 * np.log(2 * np.pi)
    else:
        density = (
            special.gammaln((error.df + 1) / 2)
            - special.gammaln(error.df / 2)
            - 0.5 * np.log(error.df * np.pi)
            - (error.df + 1) / 2 * np.log1p(z * z / error.df)
        )
    jacobian = _logarithm(value) if error.kind == "log_additive" else 0.0
    return np.asarray(density - np.log(spread) - jacobian)


def cdf(error: ErrorSpec, value: float, predicted: Floats) -> Floats:
    """Probability that a measurement falls at or below ``value``, per prediction (N,)."""
    z = standardised(error, value, predicted)
    return np.asarray(special.ndtr(z) if error.df is None else special.stdtr(error.df, z))


def spread_out(error: ErrorSpec, predicted: Floats, points: int) -> Floats:
    """Measurements that predictions (N,) stand for: (N, points), one in each of ``points`` equal shares of probability.

    Where in its share differs from one prediction to the next (by the golden ratio, which fills an interval evenly), so
    that predictions that are all alike still make a smooth distribution.
    """
    z = _scatter(error.df, len(predicted), points)
    if error.kind == "log_additive":
        return np.asarray(np.maximum(predicted, SMALLEST)[:, None] * np.exp(error.additive * z))
    return np.asarray(predicted[:, None] + scale(error, predicted)[:, None] * z)


def drawn(error: ErrorSpec, predicted: Floats, rng: np.random.Generator) -> Floats:
    """One measurement of each prediction (N,), as the model says that they scatter."""
    z = rng.standard_normal(len(predicted)) if error.df is None else rng.standard_t(error.df, len(predicted))
    if error.kind == "log_additive":
        return np.asarray(np.maximum(predicted, SMALLEST) * np.exp(error.additive * z))
    return np.asarray(predicted + scale(error, predicted) * z)


@functools.lru_cache(maxsize=16)
def _scatter(df: float | None, count: int, points: int) -> Floats:
    """Standardised residuals of `spread_out`; they depend on the size of the cloud alone."""
    place = (0.5 + GOLDEN * np.arange(count)) % 1.0
    levels = (np.arange(points) + place[:, None]) / points
    z = np.asarray(special.ndtri(levels) if df is None else special.stdtrit(df, levels))
    z.flags.writeable = False
    return z


def _logarithm(value: float | Floats) -> Floats:
    """log of values on a log scale; 0 where there is none, which `standardised` marks as impossible."""
    return np.log(np.where(np.greater(value, 0), value, 1.0))


def _log_cdf(error: ErrorSpec, z: Floats) -> Floats:
    return np.asarray(special.log_ndtr(z) if error.df is None else stats.t.logcdf(z, error.df))
