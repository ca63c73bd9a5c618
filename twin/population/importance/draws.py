"""Draws of each patient's effects around what is believed of them: multivariate t, with tails that a posterior has not.

    eta = m + s L t,    L L' = C,    t = z / sqrt(g / df),    z ~ N(0, 1)^D,  g ~ chi2(df)

with mean m, covariance C and a spread s above 1. Each patient has a stream of its own (the same draws for everybody
make errors that add up instead of averaging out); it does not depend on anything but the patient's name and the seed,
so that a likelihood is a smooth function of what it is worked out for. *Even* draws are scrambled Sobol' points
(Jank 2005, Comput Stat Data Anal 48:685): fewer of them do, and their error cannot be told from themselves. The others
come in pairs t, -t, which tell it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.kernel.compiling.by_hand import compiled
from twin.randomness import even_points, generator

DF = 5.0
"""Degrees of freedom: heavier tails than a posterior's, and a variance."""

SPREAD = 1.1
"""By which draws are wider than what is believed."""


@dataclass(frozen=True)
class Proposals:
    """What draws are made around: means (N, D) and lower factors (N, D, D) of covariances."""

    mean: Floats
    factor: Floats

    @classmethod
    def around(cls, mean: Floats, covariance: Floats, prior: Floats) -> Proposals:
        """Of means (N, D) and covariances (N, D, D); the ``prior`` (D, D) stands in for what is no covariance."""
        factor = np.empty_like(covariance)
        usual = np.linalg.cholesky(prior)
        for n, one in enumerate(covariance):
            try:
                factor[n] = np.linalg.cholesky(one)
            except np.linalg.LinAlgError:
                factor[n] = usual
            if not np.isfinite(factor[n]).all():
                factor[n] = usual
        return cls(np.nan_to_num(mean), SPREAD * factor)

    @property
    def covariance(self) -> Floats:
        """(N, D, D) that is believed of effects."""
        return np.asarray(self.factor @ self.factor.swapaxes(1, 2) / SPREAD**2)

    def drawn(self, standard: Floats) -> Floats:
        """Effects (N, S, D) of standard draws (N, S, D)."""
        return np.asarray(self.mean[:, None] + np.einsum("nij,nsj->nsi", self.factor, standard))

    def log_density(self, standard: Floats) -> Floats:
        """Log density (N, S) of those draws."""
        d = standard.shape[2]
        log_det = np.log(np.abs(np.diagonal(self.factor, axis1=1, axis2=2))).sum(axis=1)
        constant = special.gammaln((DF + d) / 2) - special.gammaln(DF / 2) - 0.5 * d * np.log(DF * np.pi)
        square = (standard * standard).sum(axis=2)
        return np.asarray(constant - log_det[:, None] - 0.5 * (DF + d) * np.log1p(square / DF))


def even_draws(names: list[str], seed: int, count: int, dimension: int) -> Floats:
    """Standard draws (N, count, dimension), each patient's spread evenly."""
    found = np.empty((len(names), count, dimension))
    for n, name in enumerate(names):
        points = even_points(generator(name, seed, "even"), count, dimension + 1)
        scale = np.sqrt(special.chdtri(DF, points[:, -1:]) / DF)
        found[n] = special.ndtri(points[:, :-1]) / scale
    return found


def paired_draws(names: list[str], seed: int, count: int, dimension: int) -> Floats:
    """Standard draws (N, count, dimension) that come in pairs t, -t, neighbours of one another; ``count`` is even."""
    found = np.empty((len(names), count, dimension))
    for n, name in enumerate(names):
        rng = generator(name, seed, "paired")
        normal = rng.standard_normal((count // 2, dimension))
        half = normal / np.sqrt(rng.chisquare(DF, (count // 2, 1)) / DF)
        found[n, 0::2], found[n, 1::2] = half, -half
    return found


@compiled
def moments(draws, share):  # type: ignore[no-untyped-def]
    """Means (N, D) and second moments about 0 (N, D, D) of draws (N, S, D) with shares (N, S)."""
    count, size, d = draws.shape
    mean, square = np.zeros((count, d)), np.zeros((count, d, d))
    for n in range(count):
        for s in range(size):
            for i in range(d):
                along = share[n, s] * draws[n, s, i]
                mean[n, i] += along
                for j in range(d):
                    square[n, i, j] += along * draws[n, s, j]
    return mean, square
