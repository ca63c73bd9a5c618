"""What a measured value says about particles, where the time of its drawing may be uncertain.

What a value says given what is predicted at one instant depends on the kind of its output (`twin.observation.kinds`).
Where the time of drawing is uncertain, rows come for several moments around it, (K, R, N), and the likelihood is the
mean over the uncertain time: a trapezoidal rule under a normal density, whose error falls faster than any power of its
spacing (Trefethen & Weideman 2014, SIAM Rev 56:385).

A value of a discrete output, or one below a limit, has a range of levels of its distribution function instead of one;
``share`` says where in it the level is taken: drawn evenly, the transform is uniform under the right model (Czado et
al. 2009, Biometrics 65:1254).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec
from twin.model.spec import OutputSpec
from twin.observation.aggregate import error_of
from twin.observation.kinds import kind_of
from twin.observation.observation import Observation, Summary
from twin.observation.residual_correlation import given_others
from twin.observation.sampling_time import MOMENT_WEIGHTS

_SILVER = math.sqrt(2.0) - 1.0
# The silver ratio fills an interval evenly, and not in step with the golden ratio of `residual.levels_of`.


def output_of(outputs: Sequence[OutputSpec], observation: Observation) -> OutputSpec:
    """The output that was observed, of those of a model, with the error of this observation."""
    output = outputs[observation.output]
    if observation.earlier and len(observation.reads) > 1:
        return _beside(tuple(each.error for each in outputs), output, observation.reads)
    return output if observation.readings is None else _summed_up(output, observation.readings)


def log_likelihood(output: OutputSpec, observation: Observation, rows: Floats) -> Floats:
    """Log-likelihood (N,) of a measured value given ``rows`` (R, N), or (K, R, N) of an uncertain time."""
    kind = kind_of(output)
    if rows.ndim == 3:
        each = np.array([kind.log_likelihood(output, observation, at) for at in rows])
        return np.asarray(special.logsumexp(each + np.log(MOMENT_WEIGHTS)[:, None], axis=0))
    return kind.log_likelihood(output, observation, rows)


def level(output: OutputSpec, observation: Observation, rows: Floats, share: float) -> Floats:
    """Level (N,) of the distribution function at the value; ``share`` places it where a range of levels stands."""
    if rows.ndim == 3:
        each = np.array([level(output, observation, at, share) for at in rows])
        return np.asarray((MOMENT_WEIGHTS[:, None] * each).sum(axis=0))
    low, high = kind_of(output).levels(output, observation, rows)
    return low + share * (high - low)


def spread_out(output: OutputSpec, observation: Observation, rows: Floats, points: int) -> Floats:
    """Measurements that ``rows`` stand for: (N, points), one in each of ``points`` equal shares of probability."""
    if rows.ndim == 3:
        # Each particle at one of the moments, which its place among the others chooses by their weights.
        count = rows.shape[2]
        place = (0.5 + _SILVER * np.arange(count)) % 1.0
        rows = rows[np.searchsorted(np.cumsum(MOMENT_WEIGHTS)[:-1], place), :, np.arange(count)].T
    return kind_of(output).spread_out(output, rows, points, observation.earlier)


@functools.lru_cache(maxsize=1024)
def _summed_up(output: OutputSpec, readings: Summary) -> OutputSpec:
    return replace(output, error=error_of(output.error, readings))


@functools.lru_cache(maxsize=1024)
def _beside(errors: tuple[ErrorSpec, ...], output: OutputSpec, reads: tuple[int, ...]) -> OutputSpec:
    return replace(output, error=replace(output.error, given=given_others(errors, reads[0], reads[1:])))
