"""The population that individuals psi = mu + eta suit best (`twin.population.means.means`), told by their moments.

Numbers that move means, and Omega, are a regression of psi,

    theta = (sum A_i' P A_i)^-1 sum A_i' P (psi_i - what of mu theta does not move),     A_i = d mu_i/d theta,
    Omega = 1/N sum (psi_i - mu_i)(psi_i - mu_i)',

of which only declared blocks are kept; a block with zeros within it is the one that makes log det Omega +
trace(Omega^-1 S) least. What is known of numbers before (`twin.population.prior`) adds its slope and curvature to the
regression, and of N effects to a block

    Omega = (sum (psi_i - mu_i)(psi_i - mu_i)' + nu Omega0) / (N + nu + d + 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from twin.arrays import Floats
from twin.population.means.means import Means
from twin.population.prior import Prior
from twin.population.search import bounds
from twin.population.theta import Theta
from twin.population.values import Level, Population

SINGULAR = 1e-10
"""Share by which variances are made larger, so that draws that lie in a plane have a covariance."""


@dataclass(frozen=True)
class Moments:
    """Of individuals psi: means (N, D), and second moments about 0 (N, D, D); without the effects of sites, whose mean
    second moment (q, q) stands in ``of_sites``."""

    mean: Floats
    square: Floats
    of_sites: Floats | None = None

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
        moment, count = _of_occasions(away, means, slice(d, d + occasions * len(iov), len(iov)))
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


def _of_occasions(away: Floats, means: Means, columns: slice) -> tuple[Floats, int]:
    """Mean (O, O) over all occasions that the data of a patient have met, and how many these are."""
    width: int = columns.step
    total, count = np.zeros((width, width)), 0
    for begin in range(columns.start, columns.stop, width):
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
