"""All peaks of a posterior that matter to a cloud of particles, with what each weighs.

    log mass = -U(peak) - log det F / 2            Laplace's approximation, up to what all peaks share.

A cloud forgets: a peak that weighed nothing by the first values, and that later ones raise, has no particle left to
draw from. So each time that a cloud is drawn anew, or has become thin somewhere, descents begin at particles that
stand apart from likelier ones, and at the likeliest of scattered draws of the prior. They are cheap: first differences,
and no more of them than they need to be near; for what is found only says where to draw, and what is drawn is weighed.

A shoulder that is no peak by itself is not found, and gets no particles beyond its weight: what it weighs is as
uncertain as a few particles leave it, until later data make a peak of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.modes.descents import Descents, Effort, Respond
from twin.filter.modes.newton import FORWARD, separate
from twin.filter.modes.starts import draws_for, scattered, standing_apart, starts_worth
from twin.randomness import even_normals

EFFORT = Effort(FORWARD, settled=0.1, together=0.5, straight=25, most_steps=25)
"""Of descents that need no more than to be near."""

APART = 2.0
"""Ends so far from one another (in posterior standard deviations of the higher) are two peaks."""

LEAST_MASS = 3e-4
"""A peak with less of the mass is none: it would have to gain thirty times that to be a hundredth."""

POINTS = 96
"""Points that an iteration of the scattered descents looks at, at the most: a tenth of a usual cloud."""

TRACKED = 4
"""Descents that begin at particles of the cloud."""


@dataclass(frozen=True)
class Peaks:
    """M peaks, the heaviest first.

    Attributes:
        centre: (M, d).
        factor: (M, d, d) lower factors of F^-1.
        mass: (M,) shares by Laplace's approximation.
    """

    centre: Floats
    factor: Floats
    mass: Floats

    def nearest(self, eta: Floats) -> NDArray[np.int64]:
        """Which peak each of eta (N, d) is nearest to, in standard deviations of that."""
        white = np.einsum("kij,nkj->nki", np.linalg.inv(self.factor), eta[:, None, :] - self.centre[None])
        return np.asarray((white * white).sum(axis=2).argmin(axis=1))


def seek(respond: Respond, precision: Floats, eta: Floats, log_density: Floats, rng: np.random.Generator) -> Peaks:
    """The peaks of U, from a cloud eta (N, d) whose log posterior density (N,) is known, and from the prior.

    Args:
        respond: minus log-likelihood and information of the data for eta (N, d).
        precision: (d, d), inverse of the prior's covariance.
        rng: scatters the draws of the prior.
    """
    dimension = len(precision)
    tracked = standing_apart(eta, log_density, TRACKED)
    count = starts_worth(precision, POINTS)
    fresh = scattered(respond, precision, count, even_normals(rng, draws_for(count), dimension))
    descent = Descents(respond, precision, np.vstack([tracked, fresh]), EFFORT)
    descent.run()
    ends = descent.settled & np.isfinite(descent.value)
    if not ends.any():
        return Peaks(np.empty((0, dimension)), np.empty((0, dimension, dimension)), np.empty(0))
    centre, value, information = descent.eta[ends], descent.value[ends], descent.information[ends]
    kept = separate(centre, value, information, APART)
    centre, value, information = centre[kept], value[kept], information[kept]
    log_mass = -value - 0.5 * np.linalg.slogdet(information)[1]
    mass = np.exp(log_mass - log_mass.max())
    mass /= mass.sum()
    order = np.argsort(-mass, kind="stable")
    order = order[mass[order] > LEAST_MASS]
    factor = np.linalg.cholesky(np.linalg.inv(information[order]))
    return Peaks(centre[order], factor, mass[order] / mass[order].sum())
