"""Modes of sites with all their patients: damped Newton steps of psi = eta + E b, whole sites at once.

Given b a patient's mode is found alone, but b and its patients' modes pull one another along, so that taking turns is
slow. A step of all together costs no more: it is solved patient by patient (`twin.population.sites.arrow`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.modes.newton import NEAR
from twin.population.laplace.site_point import SitePoint
from twin.population.modes.curvatures import inverse_of, positive_definite
from twin.population.modes.descent import Look
from twin.population.sites.arrow import Arrow, by_site

MOST_STEPS = 40

SHORTEST = 1e-4
"""Share of a step below which none leads down."""

LONGEST = 3.0
"""Longest step of a patient, in prior standard deviations: curvature far from the mode misleads."""

ROUNDING = 1e-12
"""Of U, what a step near the mode may seem to lead up."""


def together(point: SitePoint, psi: Floats, far: NDArray[np.bool_], limit: float) -> Floats:
    """psi (N, D) after steps of the sites ``far`` (S,), until the squared length that is left of one is within
    ``limit``, in posterior standard deviations, or none leads down."""
    search = _Search(point, psi, far.copy())
    for _ in range(MOST_STEPS):
        search.going &= ~(search.remaining <= limit) & (search.share >= SHORTEST)
        if not search.going.any():
            break
        search.try_step()
    return search.psi


class _Search:
    """Where all sites stand: U (S,), the step (N, D) from there, the share (S,) of it that is tried next."""

    def __init__(self, point: SitePoint, psi: Floats, going: NDArray[np.bool_]) -> None:
        self.point, self.psi, self.going = point, psi.copy(), going
        self.value, self.look = self._at(psi, None)
        self.step, self.remaining = np.zeros_like(psi), np.full(len(going), np.inf)
        self.share = np.ones(len(going))
        self._turn(going)

    def try_step(self) -> None:
        """Look where the sites that go would be, and take the steps of those that are lower there."""
        site = self.point.site
        there = self.psi - np.where(self.going, self.share, 0.0)[site][:, None] * self.step
        value, look = self._at(there, self.look)
        with np.errstate(invalid="ignore"):
            taken = self.going & (value <= self.value + ROUNDING * np.abs(self.value))
        self.share = np.where(taken, 1.0, 0.25 * self.share)
        of = taken[site]
        self.psi[of], self.value[taken] = there[of], value[taken]
        for mine, its in zip(vars(self.look).values(), vars(look).values(), strict=True):
            mine[of] = its[of]
        self._turn(taken)

    def _at(self, psi: Floats, before: Look | None) -> tuple[Floats, Look]:
        """U (S,) of sites, and what their patients see; of those that do not go what they saw before."""
        point = self.point
        who, b = np.flatnonzero(self.going[point.site]), point.conditional(psi)
        found = point.given(b)(who, psi[who])
        if len(who) == len(psi):
            return point.of_sites(found.value, b), found
        if before is None:
            count, alone = len(psi), np.repeat(point.precision[None], len(psi), axis=0)
            before = Look(np.zeros(count), np.zeros_like(psi), alone, alone)
        parts = [each.copy() for each in vars(before).values()]
        for part, its in zip(parts, vars(found).values(), strict=True):
            part[who] = its
        return point.of_sites(parts[0], b), Look(*parts)

    def _turn(self, of: NDArray[np.bool_]) -> None:
        """Find the steps of sites (S,), of which something new is seen."""
        point, look = self.point, self.look
        site, nothing = point.site, np.zeros((len(of), point.above.shape[1], 1))
        step = (inverse_of(look.information) @ look.gradient[:, :, None])[:, :, 0]
        with np.errstate(invalid="ignore"):
            near = positive_definite(look.curvature) & ((look.gradient * step).sum(axis=1) < NEAR * NEAR)
        curved = np.where(near[:, None, None], look.curvature, look.information)
        arrow = point.arrow(curved)
        straight: NDArray[np.bool_] = np.logical_not(positive_definite(arrow.schur))
        if straight.any():
            arrow = point.arrow(np.where(straight[site][:, None, None], look.information, curved))
        step = _solved(arrow, nothing, look.gradient)
        with np.errstate(invalid="ignore"):
            left = by_site((look.gradient * step).sum(axis=1), site)
            length = np.sqrt(np.einsum("ni,ij,nj->n", step, point.precision, step))
        longest = np.zeros(len(of))
        np.maximum.at(longest, site, np.where(np.isfinite(length), length, np.inf))
        self.going &= ~of | np.isfinite(longest)
        short = np.minimum(1.0, LONGEST / np.maximum(longest, 1e-300))
        which = of[site]
        self.step[which] = (short[site][:, None] * np.nan_to_num(step))[which]
        self.remaining[of] = left[of]


def _solved(arrow: Arrow, of_sites: Floats, gradient: Floats) -> Floats:
    return np.asarray(arrow.solved(of_sites, gradient[:, :, None])[1][:, :, 0])
