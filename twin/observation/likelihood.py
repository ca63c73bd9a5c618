"""What a measured value says about particles, for every kind of output.

``rows`` are what the kernel computed of an output for N particles at the instant of the measurement (`Kernel.rows`):

    continuous   y scatters around f                                     `twin.observation.residual`
    count        y ~ Poisson(m), or negative binomial with variance m + d m^2
    ordinal      P(y = k) = p_k
    event        y = 1: it happened at this instant, h exp(-H);   y = 0: not by then, exp(-H)

H is the hazard integrated since the last look, so that looks multiply to the likelihood of the whole course; a further
word at the same instant adds nothing to H. A value known only to lie below or above a limit weighs the probability of
lying there. Where the time of drawing is uncertain, rows come for several moments around it, (K, R, N), and the
likelihood is the mean over the uncertain time: a trapezoidal rule under a normal density, whose error falls faster than
any power of its spacing (Trefethen & Weideman 2014, SIAM Rev 56:385).

A value of a discrete output, or one below a limit, has a range of levels of its distribution function instead of one;
``share`` says where in it the level is taken: drawn evenly, the transform is uniform under the right model (Czado et
al. 2009, Biometrics 65:1254).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special, stats

from twin.arrays import Floats
from twin.model.spec import OutputSpec
from twin.observation import residual
from twin.observation.observation import MeasuredValue, Observation
from twin.observation.sampling_time import MOMENT_WEIGHTS

LEAST = 1e-300
"""Probabilities and hazards are not taken below this: their logarithm stays finite."""

_SILVER = math.sqrt(2.0) - 1.0
# The silver ratio fills an interval evenly, and not in step with the golden ratio of `residual.levels_of`.


def log_likelihood(output: OutputSpec, observation: Observation, rows: Floats) -> Floats:
    """Log-likelihood (N,) of a measured value given ``rows`` (R, N), or (K, R, N) of an uncertain time."""
    if rows.ndim == 3:
        each = np.array([_log_likelihood(output, observation, at) for at in rows])
        return np.asarray(special.logsumexp(each + np.log(MOMENT_WEIGHTS)[:, None], axis=0))
    return _log_likelihood(output, observation, rows)


def level(output: OutputSpec, observation: Observation, rows: Floats, share: float) -> Floats:
    """Level (N,) of the distribution function at the value; ``share`` places it where a range of levels stands."""
    if rows.ndim == 3:
        each = np.array([level(output, observation, at, share) for at in rows])
        return np.asarray((MOMENT_WEIGHTS[:, None] * each).sum(axis=0))
    low, high = _levels(output, observation, rows)
    return low + share * (high - low)


def spread_out(output: OutputSpec, observation: Observation, rows: Floats, points: int) -> Floats:
    """Measurements that ``rows`` stand for: (N, points), one in each of ``points`` equal shares of probability."""
    if rows.ndim == 3:
        # Each particle at one of the moments, which its place among the others chooses by their weights.
        count = rows.shape[2]
        place = (0.5 + _SILVER * np.arange(count)) % 1.0
        rows = rows[np.searchsorted(np.cumsum(MOMENT_WEIGHTS)[:-1], place), :, np.arange(count)].T
    if output.kind == "continuous" and not observation.earlier:
        return residual.spread_out(output.error, rows[0], points)
    return drawn(output, rows, residual.levels_of(rows.shape[1], points), observation)


def drawn(output: OutputSpec, rows: Floats, levels: Floats, observation: Observation | None = None) -> Floats:
    """Measurements (N, P) at ``levels`` (N, P) of their distribution function, of rows (R, N).

    With uniform levels these are simulated. An ``observation`` is given for what it is conditional on: earlier
    replicates.
    """
    earlier = () if observation is None else observation.earlier
    match output.kind:
        case "continuous":
            return residual.at_levels(output.error, rows[0], levels, earlier)
        case "count":
            return _quantile(output, rows[0], levels)
        case "ordinal":
            upto = np.cumsum(rows, axis=0)[:-1, :, None]
            return np.asarray((levels > upto).sum(axis=0), dtype=np.float64)
        case "event":
            return np.asarray(levels > np.exp(-_hazard(rows, earlier))[:, None], dtype=np.float64)


def _log_likelihood(output: OutputSpec, observation: Observation, rows: Floats) -> Floats:
    if output.kind == "continuous":
        return residual.log_likelihood(
            output.error, observation.value, rows[0], observation.below, observation.above, observation.earlier
        )
    if output.kind == "event":
        survival = -_hazard(rows, observation.earlier)
        return survival if observation.value == 0 else survival + np.log(np.maximum(rows[1], LEAST))
    low, high = _levels(output, observation, rows)
    if output.kind == "count" and observation.below is None and observation.above is None:
        return _log_density(output, observation.value, rows[0])
    return np.asarray(np.log(np.maximum(high - low, LEAST)))


def _levels(output: OutputSpec, observation: Observation, rows: Floats) -> tuple[Floats, Floats]:
    """The range of the distribution function's levels that a value stands for, (N,) each."""
    nothing, all_of_it = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    if output.kind == "event":
        # What is measured is the time until the event: at this instant, or later.
        happened = -np.expm1(-_hazard(rows, observation.earlier))
        return (happened, happened) if observation.value != 0 else (happened, all_of_it)
    if output.kind == "continuous":
        below, above = observation.below, observation.above
        at = observation.value if below is None else below
        found = residual.cdf(output.error, at if above is None else above, rows[0], observation.earlier)
        return nothing if below is not None else found, all_of_it if above is not None else found
    # Below a limit lie whole numbers under it, above it those over it.
    if observation.below is not None:
        return nothing, _cdf(output, math.ceil(observation.below) - 1, rows)
    if observation.above is not None:
        return _cdf(output, math.floor(observation.above), rows), all_of_it
    return _cdf(output, observation.value - 1, rows), _cdf(output, observation.value, rows)


def _hazard(rows: Floats, earlier: tuple[MeasuredValue, ...]) -> Floats:
    return np.zeros_like(rows[0]) if earlier else rows[0]


def _cdf(output: OutputSpec, value: float, rows: Floats) -> Floats:
    """P(y <= value) of counts and categories."""
    if value < 0:
        return np.zeros(rows.shape[1])
    if output.kind == "ordinal":
        return np.asarray(rows[: int(value) + 1].sum(axis=0))
    mean = np.maximum(rows[0], 0.0)
    dispersion = output.error.dispersion
    if dispersion is None:
        return np.asarray(special.pdtr(math.floor(value), mean))
    return np.asarray(special.betainc(1.0 / dispersion, math.floor(value) + 1.0, 1.0 / (1.0 + dispersion * mean)))


def _log_density(output: OutputSpec, value: float, mean: Floats) -> Floats:
    mean = np.maximum(mean, LEAST)
    dispersion = output.error.dispersion
    if dispersion is None:
        return np.asarray(value * np.log(mean) - mean - math.lgamma(value + 1.0))
    size = 1.0 / dispersion
    ways = math.lgamma(value + size) - math.lgamma(size) - math.lgamma(value + 1.0)
    return np.asarray(ways - (value + size) * np.log1p(dispersion * mean) + value * np.log(dispersion * mean))


def _quantile(output: OutputSpec, mean: Floats, levels: Floats) -> Floats:
    mean = np.maximum(mean, LEAST)[:, None]
    dispersion = output.error.dispersion
    if dispersion is None:
        return np.asarray(stats.poisson.ppf(levels, mean))
    return np.asarray(stats.nbinom.ppf(levels, 1.0 / dispersion, 1.0 / (1.0 + dispersion * mean)))
