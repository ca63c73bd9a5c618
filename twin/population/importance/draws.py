"""Draws of each patient's effects around what is believed of them: multivariate t, with tails that a posterior has not.

    eta = m + s L t,    L L' = C,    t = z / sqrt(g / df),    z ~ N(0, 1)^D,  g ~ chi2(df)

with mean m, covariance C and a spread s above 1, or half of them about each of two such (Owen & Zhou 2000, J Am Stat
Assoc 95:135). Each patient has a stream of its own (the same draws for everybody
make errors that add up instead of averaging out); it does not depend on anything but the patient's name and the seed,
so that a likelihood is a smooth function of what it is worked out for. *Even* draws are scrambled Sobol' points
(Jank 2005, Comput Stat Data Anal 48:685): fewer of them do, and their error cannot be told from themselves. The others
come in pairs t, -t, which tell it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.randomness import even_points, generator

DF = 5.0
"""Degrees of freedom: heavier tails than a posterior's, and a variance."""

SPREAD = 1.1
"""By which draws are wider than what is believed."""


class Others(NamedTuple):
    """Of some patients ``which`` (K,) what the second half of their draws is made around, as `Proposals` are."""

    which: Integers
    mean: Floats
    factor: Floats


@dataclass(frozen=True)
class Proposals:
    """What draws are made around: means (N, D) and lower factors (N, D, D) of covariances; of patients in whom one is
    not enough ``others`` besides, for half of their draws, whose density is then that of both halves."""

    mean: Floats
    factor: Floats
    others: Others | None = None

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

    def in_parts(self, parts: Mapping[int, tuple[Floats, Floats]]) -> Proposals:
        """Those of some patients in two parts of means (2, D) and factors (2, D, D) each."""
        if not parts:
            return self
        which = np.array(sorted(parts), dtype=np.int64)
        first, other = ([np.stack([parts[n][at][k] for n in which.tolist()]) for at in (0, 1)] for k in (0, 1))
        mean, factor = self.mean.copy(), self.factor.copy()
        mean[which], factor[which] = first
        return Proposals(mean, factor, Others(which, *other))

    def parts(self) -> dict[int, tuple[Floats, Floats]]:
        """Those of patients that are in two parts."""
        if self.others is None:
            return {}
        each = zip(*self.others, strict=True)
        return {int(n): (np.stack([self.mean[n], m]), np.stack([self.factor[n], f])) for n, m, f in each}

    def of(self, members: Integers) -> Proposals:
        """Those of some (K,), all different."""
        place, parts = {int(n): k for k, n in enumerate(members)}, self.parts()
        alone = Proposals(self.mean[members], self.factor[members])
        return alone.in_parts({place[n]: two for n, two in parts.items() if n in place})

    def replaced(self, members: Integers, by: Proposals) -> Proposals:
        """These, but for some members (K,), who have those of ``by`` (K of them)."""
        mean, factor = self.mean.copy(), self.factor.copy()
        mean[members], factor[members] = by.mean, by.factor
        gone = set(members.tolist())
        parts = {n: two for n, two in self.parts().items() if n not in gone}
        parts |= {int(members[k]): two for k, two in by.parts().items()}
        return Proposals(mean, factor).in_parts(parts)

    @property
    def covariance(self) -> Floats:
        """(N, D, D) that is believed of effects."""
        found = np.asarray(self.factor @ self.factor.swapaxes(1, 2) / SPREAD**2)
        if self.others is not None:
            which, mean, factor = self.others
            apart = 0.5 * (mean - self.mean[which])
            both = found[which] + factor @ factor.swapaxes(1, 2) / SPREAD**2
            found[which] = 0.5 * both + apart[:, :, None] * apart[:, None, :]
        return found

    def drawn(self, standard: Floats) -> Floats:
        """Effects (N, S, D) of standard draws (N, S, D)."""
        found = np.asarray(self.mean[:, None] + np.einsum("nij,nsj->nsi", self.factor, standard))
        if self.others is not None:
            which, mean, factor = self.others
            later = slice(_half(standard.shape[1]), None)
            found[which, later] = mean[:, None] + np.einsum("nij,nsj->nsi", factor, standard[which, later])
        return found

    def log_density(self, standard: Floats) -> Floats:
        """Log density (N, S) of those draws."""
        found = _log_density(self.factor, standard)
        if self.others is not None:
            which, mean, factor = self.others
            first = _half(standard.shape[1]) / standard.shape[1]
            eta = self.of(which).drawn(standard[which])
            each = ((self.mean[which], self.factor[which], first), (mean, factor, 1.0 - first))
            parts = [np.log(part) + _log_density(f, _standard(eta, m, f)) for m, f, part in each]
            found[which] = np.logaddexp(*parts)
        return found


def _half(count: int) -> int:
    """How many draws are of the first half: pairs stay together, and each half of points that are spread evenly is so
    itself."""
    return 2 * ((count + 2) // 4)


def _standard(eta: Floats, mean: Floats, factor: Floats) -> Floats:
    """Standard draws (N, S, D) that are these effects."""
    return np.asarray(np.einsum("nij,nsj->nsi", np.linalg.inv(factor), eta - mean[:, None]))


def _log_density(factor: Floats, standard: Floats) -> Floats:
    d = standard.shape[2]
    log_det = np.log(np.abs(np.diagonal(factor, axis1=1, axis2=2))).sum(axis=1)
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
