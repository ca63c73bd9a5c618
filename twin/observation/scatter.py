"""What measured values say of the size of their output's residual error.

With every size of the error times s, a normal value with standardised residual z (`twin.observation.residual`) has

    log p(y | s)  =  log p(y | 1)  -  n log s  -  (q / 2) (1 / s^2 - 1),      n = 1,  q = z^2,

whatever the kind of the error is. So the count n and the squares q of many values, added up, are all that is to be
known of them to weigh their particle for another s; no value, time or dose can be read from the sums. What is not
normal, or known only by a limit, has the n and q that give its log-likelihood the same first and second derivative by
log s at s = 1: right near it, and in the end where s is weighed at itself.

Values measured together with correlation C say of every size s_i among them, by

    log p(all | s)  =  - sum_i log s_i  -  (z / s)' C^-1 (z / s) / 2,

and one of them what this is more than without it: with a = (1, -slope) / sd (`twin.observation.residual_correlation`)

    d / dlog s_i  =  a_i z_i a'z - d_i0,    - d^2 / dlog s_i^2  =  a_i z_i a'z + a_i^2 z_i^2,    d_i0 = 1 of itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec, GivenSpec
from twin.model.spec import OutputSpec
from twin.observation import residual
from twin.observation.likelihood import log_likelihood
from twin.observation.observation import Observation

STEP = 1e-3
"""Of log s, for the derivatives of what is not normal."""


@dataclass(frozen=True, eq=False)
class Scatter:
    """Counts n and squares q of N particles (N,), and whether the formula holds for every s."""

    count: Floats
    squares: Floats
    exact: bool


def sized(output: OutputSpec) -> bool:
    """Whether an output's values scatter by sizes that can all be multiplied; readings of a wearable have others."""
    return output.error.scatters and output.vital is None


def size_of(error: ErrorSpec) -> float:
    """A size of an error that can stand for all of them: they have the same ratios in all versions."""
    return error.proportional or error.additive


def resized(error: ErrorSpec, factor: float) -> ErrorSpec:
    """An error whose sizes are all ``factor`` times as large."""
    return replace(error, additive=factor * error.additive, proportional=factor * error.proportional)


def scatter(output: OutputSpec, observation: Observation, rows: Floats) -> tuple[Scatter, ...]:
    """What a value says of the size of its error, given rows (R, N), or (K, R, N) of an uncertain time; and of those of
    the other outputs that it is weighed beside, in the order in which it reads them."""
    if output.error.given is not None:
        return _beside(output.error, output.error.given, observation, rows)
    return (_alone(output, observation, rows),)


def _beside(error: ErrorSpec, given: GivenSpec, observation: Observation, rows: Floats) -> tuple[Scatter, ...]:
    values = (observation.value, *(other.value for other in observation.earlier))
    each = zip((error, *given.errors), values, rows, strict=True)
    z = np.array([residual.standardised(*one) for one in each])
    slope, sd = residual.regressed(given, z[1:])
    tilted = np.concatenate([z[:1], np.where(slope == 0.0, 0.0, -slope * z[1:])]) / sd
    first, second = tilted * tilted.sum(axis=0), tilted * tilted
    squares, count = 0.5 * (second + first), 0.5 * (second - first)
    count[0] += 1.0
    return tuple(Scatter(*one, False) for one in zip(count, squares, strict=True))


def _alone(output: OutputSpec, observation: Observation, rows: Floats) -> Scatter:
    error = output.error
    plain = observation.below is None and observation.above is None and not (observation.earlier or observation.moments)
    if plain and error.df is None and error.outliers is None and (error.box_cox is None or observation.value > 0):
        z = residual.standardised(error, observation.value, rows[0])
        return Scatter(np.ones_like(z), z * z, True)
    low, here, high = (
        log_likelihood(replace(output, error=resized(error, np.exp(move))), observation, rows)
        for move in (-STEP, 0.0, STEP)
    )
    with np.errstate(invalid="ignore"):  # what is impossible has no derivatives
        first, second = (high - low) / (2.0 * STEP), (high - 2.0 * here + low) / STEP**2
    first, second = np.nan_to_num(first), np.nan_to_num(second)
    return Scatter(-0.5 * second - first, -0.5 * second, False)
