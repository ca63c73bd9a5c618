"""Objectives with effects of sites and classes that nobody sees: the search of modes, and of the effects of sites.

Given b members are searched one by one, as any patient is; b is moved to where it balances them, with all of them by
one step. It may do so at several places, where a few patients of a site are of one class each with b to one side, or of
another to the other side: so a thorough search begins at 0 and at either side along each axis, site by site.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.population.laplace.first_order import FirstOrderObjective
from twin.population.laplace.laplace import LaplaceObjective
from twin.population.laplace.mixed_sites.point import FirstOrderMixedSitePoint, LaplaceMixedSitePoint, MixedSitePoint
from twin.population.laplace.mixed_sites.standing import Standing
from twin.population.modes.curvatures import inverse_of, positive_definite
from twin.population.modes.descent import SETTLED, descend, scattered
from twin.population.objective import Evaluation, Objective, Point, moved_along
from twin.population.values import Population

NEAR = 0.01
"""What remains to a member's mode, as `SETTLED`, from which on it is searched alone."""

EXACT = 1e-9
"""What may remain of modes that were searched: the evaluation makes the step that is left."""

MOST_STEPS = 60

LONGEST = 1.0
"""Longest step of the effects of a site, in their standard deviations."""


class _Modes(NamedTuple):
    """psi (N, D) and b (sites, q), what is seen there, and which members (N,) settled."""

    psi: Floats
    b: Floats
    here: Standing
    settled: NDArray[np.bool_]


class MixedSiteObjective(Objective):
    """What objectives of a cohort with sites and classes have in common."""

    def __call__(self, vector: Floats, last: Evaluation | None = None, *, thorough: bool = False) -> Evaluation:
        population = self.cohort.theta.unpack(vector)
        covariance, precision, _ = population.prior(self.cohort.parts)
        point = self.site_point(population, precision)
        if last is None or last.posterior is None:
            found = _deepest(point, None, covariance)
        else:
            psi = moved_along(last, vector, covariance)
            b = point.likely(psi, last.posterior)
            found = _deepest(point, (psi, b), covariance) if thorough else _balanced(point, psi, b)
        return _evaluated(point, vector, found)

    def near(self, vector: Floats, psi: Floats) -> Evaluation:
        """Evaluate at a vector (K,) whose modes are searched from psi (N, D)."""
        population = self.cohort.theta.unpack(vector)
        point = self.site_point(population, population.prior(self.cohort.parts)[1])
        begin = point.likely(psi, np.tile(population.shares, (len(self.cohort.patients), 1)))
        return _evaluated(point, vector, _balanced(point, psi, begin))

    def site_point(self, population: Population, precision: Floats) -> MixedSitePoint:
        """As `point`."""
        return MixedSitePoint(self, population, precision)

    def point(self, population: Population, precision: Floats) -> Point:
        return self.site_point(population, precision)


class LaplaceMixedSiteObjective(MixedSiteObjective, LaplaceObjective):
    """Laplace's method, of any kind of value."""

    def site_point(self, population: Population, precision: Floats) -> MixedSitePoint:
        return LaplaceMixedSitePoint(self, population, precision)


class FirstOrderMixedSiteObjective(MixedSiteObjective, FirstOrderObjective):
    """The first-order objective, of a line in each class."""

    def site_point(self, population: Population, precision: Floats) -> MixedSitePoint:
        return FirstOrderMixedSitePoint(self, population, precision)


def _evaluated(point: MixedSitePoint, vector: Floats, found: _Modes) -> Evaluation:
    seen = point.evaluated(vector, found.psi, found.b, found.settled)
    seen.settled[:] &= ~(seen.remaining > SETTLED)
    return seen


def _deepest(point: MixedSitePoint, begin: tuple[Floats, Floats] | None, covariance: Floats) -> _Modes:
    """Where each site's objective is least, of all places where the search from somewhere ends."""
    everybody = np.arange(len(point.site), dtype=np.int64)
    count, q = int(point.site.max()) + 1, point.above.shape[1]
    psi, b = begin if begin is not None else (np.zeros((len(everybody), len(covariance))), np.zeros((count, q)))
    starts = np.concatenate(
        [psi[:, None], np.repeat(scattered(covariance, point.cohort.axes)[None], len(psi), axis=0)], axis=1
    )
    which = np.repeat(everybody, starts.shape[1])
    ends = descend(point.given(b), point.precision, which, starts.reshape(len(which), -1))
    best = _balanced(point, ends.eta, b)
    for begins in scattered(point.population.omega_isv):
        there = np.repeat(begins[None], count, axis=0)
        psi = best.psi + (there - best.b)[point.site] @ point.above.T
        best = _better(point, best, _balanced(point, psi, there))
    return best


def _better(point: MixedSitePoint, one: _Modes, other: _Modes) -> _Modes:
    """Of each site that of two which is deeper, by what nobody sees as rounding."""
    deeper = point.of_each(other.here) < point.of_each(one.here) - EXACT
    if not deeper.any():
        return one
    members = deeper[point.site]
    psi, b = np.where(members[:, None], other.psi, one.psi), np.where(deeper[:, None], other.b, one.b)
    settled = np.where(members, other.settled, one.settled)
    return _Modes(psi, b, point.stands(psi, b), settled)


def _balanced(point: MixedSitePoint, psi: Floats, b: Floats) -> _Modes:
    """Modes of everybody from psi (N, D) and b (sites, q)."""
    psi, everybody = psi.copy(), np.arange(len(psi), dtype=np.int64)
    settled = np.ones(len(psi), dtype=np.bool_)
    for _ in range(MOST_STEPS):
        look = point.looks(everybody, psi)
        shifted = point.shifted(look, everybody, psi, b)
        far = np.flatnonzero(_far(shifted.gradient, shifted.curvature))
        if len(far):
            ends = descend(point.given(b), point.precision, far, psi[far])
            psi[far], settled[far] = ends.eta, ends.settled
            look = point.looks(everybody, psi)
        here = point.stands(psi, b, look)
        step, step_b, remains = here.step()
        if not (remains > EXACT).any():
            break
        length = np.sqrt(np.einsum("sq,qr,sr->s", step_b, here.of_b, step_b))
        short = np.where(length > LONGEST, LONGEST / np.maximum(length, 1e-300), 1.0)
        psi, b = psi + short[point.site][:, None] * step, b + short[:, None] * step_b
    return _Modes(psi, b, here, settled)


def _far(gradient: Floats, curvature: Floats) -> NDArray[np.bool_]:
    """Which members are not next to their modes; who cannot be is."""
    usable = np.asarray(np.isfinite(gradient).all(axis=1) & np.isfinite(curvature).all(axis=(1, 2)))
    convex = positive_definite(curvature)
    step = inverse_of(np.where((usable & convex)[:, None, None], curvature, np.eye(gradient.shape[1])))
    slope = np.where(usable[:, None], gradient, 0.0)
    return np.asarray(usable & (~convex | (np.einsum("ni,nij,nj->n", slope, step, slope) > NEAR)))
