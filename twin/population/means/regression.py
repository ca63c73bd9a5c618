"""The population that individuals psi = mu + eta suit best (`twin.population.means.means`), told by their moments.

Numbers that move means, and Omega, are a regression of psi,

    theta = (sum A_i' P A_i)^-1 sum A_i' P (psi_i - what of mu theta does not move),     A_i = d mu_i/d theta,
    Omega = 1/N sum (psi_i - mu_i)(psi_i - mu_i)',

of which only declared blocks are kept; a block with zeros within it is the one that makes log det Omega +
trace(Omega^-1 S) least. What is known of numbers before (`twin.population.prior`) adds its slope and curvature to the
regression, and of N effects to a block

    Omega = (sum (psi_i - mu_i)(psi_i - mu_i)' + nu Omega0) / (N + nu + d + 1).

Members of a mixture count as often as they are who the patient is, and their effects for what the data of their class
have met, so that the effects of a class alone have the spread of those who are of it; shares of classes are how often
patients are of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import optimize

from twin.arrays import Floats
from twin.population.means.means import Means
from twin.population.prior import Prior
from twin.population.search import bounds
from twin.population.theta import Theta
from twin.population.values import Level, Population

SEEN = 0.01
"""Patients of a class, of whom fewer say nothing of it."""

SINGULAR = 1e-10
"""Share by which variances are made larger, so that draws that lie in a plane have a covariance."""


@dataclass(frozen=True)
class Moments:
    """Of individuals psi: means (N, D), and second moments about 0 (N, D, D); without the effects of sites, whose mean
    second moment (q, q) stands in ``of_sites``. Of members of a mixture these are sums over the share ``weight`` (N,)
    of draws in which they are who the patient is; of all others it is 1, as where none is given."""

    mean: Floats
    square: Floats
    of_sites: Floats | None = None
    weight: Floats | None = None

    def towards(self, new: Moments, gain: float) -> Moments:
        """A share ``gain`` of the way to others."""
        each = zip((self.of_sites, self.weight), (new.of_sites, new.weight), strict=True)
        of_sites, weight = (None if a is None or b is None else a + gain * (b - a) for a, b in each)
        mean, square = self.mean + gain * (new.mean - self.mean), self.square + gain * (new.square - self.square)
        return Moments(mean, square, of_sites, weight)

    @property
    def counted(self) -> Floats:
        """(N,) how often everybody counts."""
        return np.ones(len(self.mean)) if self.weight is None else self.weight

    def from_means(self, means: Floats) -> Floats:
        """How far psi is from mu (N, D), as often as it counts."""
        return np.asarray(self.mean - self.counted[:, None] * means)

    def about(self, means: Floats) -> Floats:
        """Second moments (N, D, D) about mu (N, D)."""
        across = self.mean[:, :, None] * means[:, None, :]
        beside = self.counted[:, None, None] * (means[:, :, None] * means[:, None, :])
        return np.asarray(self.square - across - across.swapaxes(1, 2) + beside)


def regressed(means: Means, theta: Theta, vector: Floats, known: Moments) -> Floats:
    """The vector (K,) with what moves means, and Omega, as moments of individuals say."""
    found = vector.copy()
    if means.moved:
        moved = np.array(means.moved)
        precision = theta.unpack(vector).prior(means.parts)[1]
        design = means.design(vector)
        left, right = normal_equations(design, precision, known.from_means(means.at(vector)), means, known.counted)
        before = theta.penalty(vector)
        if before is not None:
            left = left + 0.5 * before.curvature[np.ix_(moved, moved)]
            right = right - 0.5 * before.gradient[moved]
        step = np.linalg.lstsq(left, right, rcond=1e-12)[0]
        straight = means.straight and before is None
        found[moved] += step if straight else np.clip(step, -2.0, 2.0)
    away = known.about(means.at(found))
    population, found_of = theta.unpack(found), dict[Level, Floats]()
    for level, of_level in means.parts.items():
        if of_level:
            found_of[level] = covariance(theta, found, level, of_effects(away, means, known.counted, of_level))
    if known.of_sites is not None:
        count = np.full(known.of_sites.shape, float(means.sites))
        found_of["isv"] = covariance(theta, found, "isv", Moment(known.of_sites, count))
    population = population.with_covariances(found_of)
    if theta.shares and known.weight is not None:
        population = replace(population, shares=shared(theta, known.weight, len(population.shares)))
    return bounds(theta).clip(theta.pack(population))


def shared(theta: Theta, weight: Floats, classes: int) -> Floats:
    """Shares (K,) of classes whose members have such weights (N K,), with what is known of them before: none is less
    than of a hundredth of a patient."""
    before = theta.prior.shares(theta) if isinstance(theta.prior, Prior) else None
    of_each = weight.reshape(-1, classes).sum(axis=0) + (0.0 if before is None else before)
    of_each = np.maximum(of_each, SEEN)
    return np.asarray(of_each / of_each.sum())


def normal_equations(
    design: Floats, precision: Floats, away: Floats, means: Means, counted: Floats | None = None
) -> tuple[Floats, Floats]:
    """sum A' P A (J, J) and sum A' P r (J,) of effects that the data have met, of individuals who count so often (N,)
    and are so far away (N, D), as often as they count."""
    met = means.active.astype(np.float64)
    weighed = precision * met[:, :, None] * met[:, None, :]
    across = np.einsum("nij,nik->njk", design, weighed)
    often = across if counted is None else across * counted[:, None, None]
    return np.einsum("njk,nkl->jl", often, design), np.einsum("njk,nk->j", across, away)


class Moment(NamedTuple):
    """Mean second moment (d, d) of a level's effects, and ``often``, of how many of each pair (d, d) it is."""

    matrix: Floats
    often: Floats


def of_effects(away: Floats, means: Means, counted: Floats, parts: Sequence[slice]) -> Moment:
    """Of effects of a level, of a patient, of each occasion or of each step, that the data have met: second moments
    about their means (N, D, D), of individuals who count so often (N,)."""
    width = parts[0].stop - parts[0].start
    total, count = np.zeros((width, width)), np.zeros((width, width))
    for part in parts:
        met = means.active[:, part].astype(np.float64)
        both = met[:, :, None] * met[:, None, :]
        total += (both * away[:, part, part]).sum(axis=0)
        count += np.einsum("n,nij->ij", counted, both)
    return Moment(total / np.maximum(count, SEEN), count)


def covariance(theta: Theta, vector: Floats, level: Level, moment: Moment) -> Floats:
    """Omega of a level by the second moment of its effects; blocks that are not free, or of a class that nobody is of,
    stay as they are."""
    population = theta.unpack(vector)
    pattern, found = theta.patterns[level], population.covariance(level).copy()
    known = {} if not isinstance(theta.prior, Prior) else {
        block.rows: block for block in theta.prior.blocks(theta) if block.level == level
    }  # fmt: skip
    wanted, holed = found.copy(), False
    for block in theta.blocks(level):
        within, count = np.ix_(block, block), float(moment.often[block[0], block[0]])
        if count < SEEN and block not in known:
            continue
        seen = moment.matrix[within]
        if (before := known.get(block)) is not None:
            total = count * seen + before.degrees * before.matrix
            seen = total / (count + before.degrees + len(block) + 1)
        wanted[within] = seen
        if pattern[within].all():
            found[within] = seen + np.diag(SINGULAR * np.diag(seen))
        else:
            holed = True
    if not holed:
        return found
    begin = population.with_covariances({level: found})
    return _fitted(theta, theta.pack(begin), level, wanted).covariance(level)


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
