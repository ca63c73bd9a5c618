"""The population that suits draws of everybody's effects best: the M-step.

Draws are told by moments of individuals psi = mu + eta (`twin.population.sampling.means`). Numbers that move means, and
Omega, are a regression of psi,

    theta = (sum A_i' P A_i)^-1 sum A_i' P (psi_i - what of mu theta does not move),     A_i = d mu_i/d theta,
    Omega = 1/N sum (psi_i - mu_i)(psi_i - mu_i)',

of which only declared blocks are kept; a block with zeros within it is the one that makes log det Omega +
trace(Omega^-1 S) least. What is known of numbers before (`twin.population.prior`) adds its slope and curvature to the
regression, and of N effects to a block

    Omega = (sum (psi_i - mu_i)(psi_i - mu_i)' + nu Omega0) / (N + nu + d + 1).

All other numbers (typical values without an effect, coefficients that move predictions, sizes of errors) make a Newton
step on log p(values | draws), with what is known before, in which predictions go along their slopes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from twin.arrays import Floats, Integers
from twin.population.importance.draws import moments
from twin.population.prior import Prior
from twin.population.sampling.chains import Sweep
from twin.population.sampling.means import Means
from twin.population.sampling.target import Target
from twin.population.search import bounds
from twin.population.stencil import H
from twin.population.theta import Element, Theta
from twin.population.values import SIZES, Level, Population, resized

STEP = 1e-3
"""Displacement of a number for the two derivatives of log p(values | draws)."""

LONGEST = 0.5
"""Longest step of a number, relative to the larger of it and 1."""

HALVINGS = 5

SINGULAR = 1e-10
"""Share by which variances are made larger, so that draws that lie in a plane have a covariance."""


@dataclass(frozen=True)
class Moments:
    """Of individuals psi: means (N, D), and second moments about 0 (N, D, D); without the effects of sites, whose mean
    second moment (q, q) stands in ``of_sites``."""

    mean: Floats
    square: Floats
    of_sites: Floats | None = None

    @classmethod
    def of(cls, sweep: Sweep, means: Floats, of_sites: Floats | None = None) -> Moments:
        """Of what was visited, with means mu (N, D)."""
        first, second = moments(sweep.away, sweep.share)
        across = first[:, :, None] * means[:, None, :]
        beside = means[:, :, None] * means[:, None, :]
        return cls(first + means, second + across + across.swapaxes(1, 2) + beside, of_sites)

    def towards(self, new: Moments, gain: float) -> Moments:
        """A share ``gain`` of the way to others."""
        of_sites = None
        if self.of_sites is not None and new.of_sites is not None:
            of_sites = self.of_sites + gain * (new.of_sites - self.of_sites)
        mean, square = self.mean + gain * (new.mean - self.mean), self.square + gain * (new.square - self.square)
        return Moments(mean, square, of_sites)

    def about(self, means: Floats) -> Floats:
        """Second moments (N, D, D) about mu (N, D)."""
        across = self.mean[:, :, None] * means[:, None, :]
        return np.asarray(self.square - across - across.swapaxes(1, 2) + means[:, :, None] * means[:, None, :])


def regressed(means: Means, theta: Theta, vector: Floats, known: Moments, occasions: int) -> Floats:
    """The vector (K,) with what moves means, and Omega, as moments of individuals say."""
    found = vector.copy()
    if means.moved:
        moved = np.array(means.moved)
        precision = theta.unpack(vector).prior(occasions)[1]
        design = means.design(vector)
        left, right = normal_equations(design, precision, known.mean - means.at(vector), means)
        before = theta.penalty(vector)
        if before is not None:
            left = left + 0.5 * before.curvature[np.ix_(moved, moved)]
            right = right - 0.5 * before.gradient[moved]
        step = np.linalg.lstsq(left, right, rcond=1e-12)[0]
        straight = means.straight and before is None
        found[moved] += step if straight else np.clip(step, -2.0, 2.0)
    away = known.about(means.at(found))
    population, d = theta.unpack(found), len(theta.start.omega)
    omega, iov = population.omega, population.omega_iov
    if d:
        omega = covariance(theta, found, "omega", _with_prior(theta, "omega", away[:, :d, :d].mean(axis=0), len(away)))
    if len(iov) and occasions:
        moment, count = _of_occasions(away, means, d, len(iov))
        iov = covariance(theta, found, "iov", _with_prior(theta, "iov", moment, count))
    found_of: dict[Level, Floats] = {"omega": omega, "iov": iov}
    if known.of_sites is not None:
        found_of["isv"] = covariance(theta, found, "isv", _with_prior(theta, "isv", known.of_sites, means.sites))
    return bounds(theta).clip(theta.pack(population.with_covariances(found_of)))


def normal_equations(design: Floats, precision: Floats, away: Floats, means: Means) -> tuple[Floats, Floats]:
    """sum A' P A (J, J) and sum A' P r (J,) of effects that the data have met."""
    met = means.active.astype(np.float64)
    weighed = precision * met[:, :, None] * met[:, None, :]
    across = np.einsum("nij,nik->njk", design, weighed)
    return np.einsum("njk,nkl->jl", across, design), np.einsum("njk,nk->j", across, away)


def _with_prior(theta: Theta, level: Level, moment: Floats, count: int) -> Floats:
    """A second moment of ``count`` effects, with what is known of its blocks before."""
    if not isinstance(theta.prior, Prior):
        return moment
    found = moment.copy()
    for block in theta.prior.blocks(theta):
        if block.level == level:
            within = np.ix_(block.rows, block.rows)
            known = count * moment[within] + block.degrees * block.matrix
            found[within] = known / (count + block.degrees + len(block.rows) + 1)
    return found


def _of_occasions(away: Floats, means: Means, d: int, width: int) -> tuple[Floats, int]:
    """Mean (O, O) over all occasions that the data of a patient have met, and how many these are."""
    total, count = np.zeros((width, width)), 0
    for begin in range(d, away.shape[1], width):
        met = means.active[:, begin]
        total += away[met, begin : begin + width, begin : begin + width].sum(axis=0)
        count += int(met.sum())
    return total / max(1, count), count


def covariance(theta: Theta, vector: Floats, level: Level, moment: Floats) -> Floats:
    """Omega of a level by the second moment of its effects; blocks that are not free stay as they are."""
    population = theta.unpack(vector)
    pattern, found = theta.patterns[level], population.covariance(level).copy()
    holed = False
    for block in theta.blocks(level):
        within = np.ix_(block, block)
        if pattern[within].all():
            found[within] = moment[within] + np.diag(SINGULAR * np.diag(moment[within]))
        else:
            holed = True
    if not holed:
        return found
    begin = population.with_covariances({level: found})
    return _fitted(theta, theta.pack(begin), level, moment).covariance(level)


def _fitted(theta: Theta, vector: Floats, level: Level, moment: Floats) -> Population:
    """The population whose covariance, of those that the model allows, suits a second moment best."""
    at = [n for n, element in enumerate(theta.elements) if element.kind == level]

    def misfit(x: Floats) -> tuple[float, Floats]:
        there = vector.copy()
        there[at] = x
        omega = theta.unpack(there).covariance(level)
        inverse = np.linalg.inv(omega)
        value = float(np.linalg.slogdet(omega)[1] + (inverse * moment).sum())
        slope = inverse - inverse @ moment @ inverse
        return value, np.array([(slope * change).sum() for change in theta.omega_slopes(there, level).values()])

    ends = optimize.minimize(misfit, vector[at], jac=True, method="BFGS", options={"maxiter": 50})
    found = vector.copy()
    found[at] = ends.x
    return theta.unpack(found)


def stepped(target: Target, sweep: Sweep, means: Means, vector: Floats) -> Floats:
    """The vector (K,) after a step of the numbers that move predictions and sizes of errors."""
    theta = target.density.cohort.theta
    sizes = [at for at, element in enumerate(theta.elements) if element.kind == "error"]
    at = np.array([*means.apart, *sizes], dtype=np.int64)
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
        self._elements: list[Element] = [cohort.theta.elements[one] for one in at]
        self._slopes = []
        for one in means.apart:
            by = H * max(1.0, abs(float(vector[one])))
            up, down = (target.read(sweep.eta, side * by * cohort.directions[one]) for side in (1.0, -1.0))
            self._slopes.append(up.slope(down, 2.0 * by))

    def __call__(self, step: Floats) -> float:
        read, errors = self._read, list(self._errors)
        for by, slope in zip(step, self._slopes, strict=False):
            read = read.moved(slope, float(by)) if by else read
        for by, element in zip(step, self._elements, strict=True):
            if element.kind == "error":
                name, error = SIZES[element.j], errors[element.i]
                errors[element.i] = resized(error, {name: getattr(error, name) * float(np.exp(by))})
        log = self._target.by_errors(read, [tuple(errors)])
        with np.errstate(invalid="ignore"):  # a draw that cannot be, and has no share
            total = float(np.where(self._share > 0.0, self._share * log, 0.0).sum())
        return total - 0.5 * self._penalty(step)

    def _penalty(self, step: Floats) -> float:
        there = self._vector.copy()
        there[self._at] += step
        penalty = self._theta.penalty(there)
        return 0.0 if penalty is None else penalty.value


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
