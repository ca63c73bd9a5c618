"""Typical values and coefficients in means, drawn given individuals psi = mu(theta) + E b + eta.

With effects b of sites integrated over, which would else hold theta where they are and creep with it,

    theta ~ N(regression of psi, L^-1),      L = sum_i A_i'P_i A_i - sum_s B_s' V_s B_s,      B_s = sum_i E'P_i A_i,

over patients i, of sites s, with A_i = d mu_i/d theta and V_s the covariance of b given psi
(`twin.population.sampling.site_effects`); without sites the second sum is none. Where means bend that is a step that is
taken or not (Metropolis).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.population.means.means import Means
from twin.population.means.regression import normal_equations
from twin.population.sampling.site_effects import SiteEffects, Told
from twin.population.sites.arrow import by_site
from twin.population.theta import Theta

BENT = 1.0
"""Length of a walk of numbers that means bend with, in conditional standard errors."""


def typical_drawn(
    means: Means,
    theta: Theta,
    vector: Floats,
    eta: Floats,
    rng: np.random.Generator,
    here: NDArray[np.bool_] | None = None,
    sites: SiteEffects | None = None,
) -> Floats:
    """A vector (K,) with what moves means drawn anew, of individuals that effects (N, D) make with it, those of their
    sites in them; of members of a mixture by those who are ``here`` (N,)."""
    moved, found = list(means.moved), vector.copy()
    population = theta.unpack(vector)
    present = np.ones(len(eta), dtype=np.bool_) if here is None else here
    counted = present.astype(np.float64)
    psi, precision = eta + means.at(vector), population.prior(means.parts)[1]
    told = None if sites is None else sites.told(population, present[:, None])
    # Where means bend, slopes at a place that stays make a walk that is as likely to go back.
    design = means.design(vector if means.straight else theta.pack(theta.start))
    away = counted[:, None] * (psi - means.at(vector))
    left, right = normal_equations(design, precision, away, means, counted)
    if told is not None:
        along = by_site(counted[:, None, None] * np.einsum("ndj,ndq->njq", design, told.reach), told.site)
        shrunk = along @ told.covariance[:, 0]
        left = left - np.einsum("sjq,skq->jk", shrunk, along)
        right = right - np.einsum("sjq,sq->j", shrunk, _pull(away, told))
    step = np.linalg.solve(np.linalg.cholesky(left).T, rng.standard_normal(len(moved)))
    if means.straight:
        found[moved] += np.linalg.solve(left, right) + step
        return found
    found[moved] += BENT * step
    ends = [_misfit(counted[:, None] * (psi - means.at(one)), precision, means, told) for one in (vector, found)]
    return found if np.log(rng.random()) < 0.5 * (ends[0] - ends[1]) else vector.copy()


def _misfit(away: Floats, precision: Floats, means: Means, told: Told | None) -> float:
    """Squared distance of individuals from means, whatever the effects of sites are."""
    met = np.where(means.active, away, 0.0)
    total = float(np.einsum("ni,ij,nj->", met, precision, met))
    if told is None:
        return total
    pull = _pull(away, told)
    return total - float(np.einsum("sq,sqr,sr->", pull, told.covariance[:, 0], pull))


def _pull(away: Floats, told: Told) -> Floats:
    """(n, q) of what sites the individuals (N, D) from means pull."""
    return by_site(np.einsum("nd,ndq->nq", away, told.reach), told.site)
