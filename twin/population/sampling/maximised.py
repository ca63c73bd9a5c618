"""The population that suits draws of everybody's effects best: the M-step.

Means and Omega follow from moments of individuals in closed form (`twin.population.means.regression`).
All other numbers (typical values without an effect, coefficients that move predictions, sizes of errors) make a Newton
step on log p(values | draws), with what is known before, in which predictions go along their slopes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twin.arrays import Floats, Integers
from twin.population.importance.density import Slopes
from twin.population.importance.draws import moments
from twin.population.means.means import Means
from twin.population.means.regression import Moments
from twin.population.sampling.chains import Sweep
from twin.population.sampling.target import Target
from twin.population.stencil import H

STEP = 1e-3
"""Displacement of a number for the two derivatives of log p(values | draws)."""

LONGEST = 0.5
"""Longest step of a number, relative to the larger of it and 1."""

HALVINGS = 5


def visited(sweep: Sweep, means: Floats, of_sites: Floats | None = None) -> Moments:
    """Of individuals as a sweep visited them, with means mu (N, D); members of a mixture as often as they were it."""
    first, second = moments(sweep.away, sweep.share)
    weight = np.asarray(sweep.share.sum(axis=1))
    across = first[:, :, None] * means[:, None, :]
    beside = weight[:, None, None] * (means[:, :, None] * means[:, None, :])
    mean = first + weight[:, None] * means
    return Moments(mean, second + across + across.swapaxes(1, 2) + beside, of_sites, weight)


def stepped(target: Target, sweep: Sweep, means: Means, vector: Floats) -> Floats:
    """The vector (K,) after a step of the numbers that move predictions and sizes of errors."""
    theta = target.density.cohort.theta
    at = np.array([*means.apart, *theta.scatter], dtype=np.int64)
    if not len(at):
        return vector.copy()
    shares = _Conditional(target, sweep, means, vector, at)
    value, gradient, curvature = _quadratic(shares, len(at))
    size = np.sqrt(np.maximum(np.abs(np.diag(curvature)), 1e-12))
    values, vectors = np.linalg.eigh(curvature / np.outer(size, size))
    # Uphill whatever the curvature: by its absolute eigenvalues.
    values = np.maximum(np.abs(values), 1e-4)
    step = vectors @ ((vectors.T @ (gradient / size)) / values) / size
    limit = LONGEST * np.maximum(1.0, np.abs(vector[at]))
    step *= min(1.0, float((limit / np.maximum(np.abs(step), 1e-300)).min()))
    found = vector.copy()
    for _ in range(HALVINGS):
        if shares(step) >= value:
            found[at] += step
            return found
        step = 0.5 * step
    return found


class _Conditional:
    """log p(values | draws), mean over the draws of each patient, with that of a prior, as a function of a step of some
    numbers."""

    def __init__(self, target: Target, sweep: Sweep, means: Means, vector: Floats, at: Integers) -> None:
        cohort = target.density.cohort
        self._target, self._share, self._at = target, sweep.share, at
        self._theta, self._vector = cohort.theta, vector
        self._read, self._errors = sweep.read, target.populations[0].errors
        self._scatter = [(n, one) for n, one in enumerate(at.tolist()) if one in cohort.theta.scatter]
        self._slopes = _slopes(target, sweep.eta, vector, means.apart)

    def __call__(self, step: Floats) -> float:
        read, errors = self._read, self._errors
        for by, slope in zip(step, self._slopes, strict=False):
            read = read.moved(slope, float(by)) if by else read
        for n, one in self._scatter:
            errors = self._theta.moved_errors(errors, one, float(step[n]))
        log = self._target.by_errors(read, [errors])
        with np.errstate(invalid="ignore"):  # a draw that cannot be, and has no share
            total = float(np.where(self._share > 0.0, self._share * log, 0.0).sum())
        return total - 0.5 * self._penalty(step)

    def _penalty(self, step: Floats) -> float:
        there = self._vector.copy()
        there[self._at] += step
        penalty = self._theta.penalty(there)
        return 0.0 if penalty is None else penalty.value


def _slopes(target: Target, eta: Floats, vector: Floats, numbers: Sequence[int]) -> list[Slopes]:
    """How what is read at effects (N, P, D) moves with each of some numbers, all solved at once."""
    if not numbers:
        return []
    by, directions = H * np.maximum(1.0, np.abs(vector[list(numbers)])), target.density.cohort.directions
    moved = by[:, None] * directions[list(numbers)]
    read = target.read(np.tile(eta, (1, 2 * len(by), 1)), np.concatenate([moved, -moved]))
    parts = [read.at(slice(n * eta.shape[1], (n + 1) * eta.shape[1])) for n in range(2 * len(by))]
    return [up.slopes(down, 2.0 * h) for up, down, h in zip(parts, parts[len(by) :], by.tolist(), strict=False)]


def _quadratic(function: _Conditional, size: int) -> tuple[float, Floats, Floats]:
    """Value, gradient (J,) and second derivatives (J, J) at 0."""
    value, every = function(np.zeros(size)), STEP * np.eye(size)
    up, down = (np.array([function(side * one) for one in every]) for side in (1.0, -1.0))
    curvature = np.diag((up + down - 2.0 * value) / STEP**2)
    for i in range(size):
        for j in range(i):
            both = function(every[i] + every[j]) + function(-every[i] - every[j])
            alone = up[i] + down[i] + up[j] + down[j]
            curvature[i, j] = curvature[j, i] = (both - alone + 2.0 * value) / (2.0 * STEP**2)
    return value, (up - down) / (2.0 * STEP), curvature
