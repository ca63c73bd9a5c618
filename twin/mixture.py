"""Mixtures of Student-t distributions: what a weighted cloud looks like, to draw a better one from.

    q(x) = sum_k share_k t(x; centre_k, scale_k, df)

A cloud bent like a banana, or of two separate parts, is near a few of these. Components are fitted by expectation and
maximisation (Peel & McLachlan 2000) in coordinates in which the cloud has unit covariance; of one, two and four, that
many are taken that lose least by Akaike's criterion, which estimates the divergence of the cloud from the mixture. One
more, twice as wide as the whole cloud, guards against what the cloud does not show (Hesterberg 1995). Draws are
low-discrepancy points (scrambled Sobol' points, Owen 1997), which fill the mixture more evenly than chance does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.stats import qmc

from twin.kernel import Floats

DF = 15.0
"""Degrees of freedom: tails heavier than a posterior's, which has those of a normal prior."""

PASSES = 12
"""Passes of expectation and maximisation."""

LEAST_SHARE = 0.01
"""A component with less of the cloud is given up."""

NUMBERS = (1, 2, 4)
"""Components that are tried."""

GUARD_SHARE, GUARD_WIDTH = 0.1, 2.0
"""Share of the guarding component, and its width over the cloud's."""

SOBOL_BITS = 30


def even_points(rng: np.random.Generator, count: int, dimension: int) -> Floats:
    """Points (count, dimension) that fill the open unit cube evenly: Sobol' points, scrambled by ``rng``."""
    if not dimension:
        return np.zeros((count, 0))
    # The sequence spawns generators, which one made from a bare key cannot.
    scrambling = np.random.Generator(np.random.Philox(int(rng.integers(2**62))))
    sequence = qmc.Sobol(dimension, scramble=True, bits=SOBOL_BITS, rng=scrambling)
    # Asked for by a power of two, whose beginning is taken; half a cell off, so that none lies on a face.
    points = sequence.random_base2(max(count - 1, 1).bit_length())[:count]
    return np.asarray(points + 0.5 ** (SOBOL_BITS + 1))


def even_normals(rng: np.random.Generator, count: int, dimension: int) -> Floats:
    """Standard normal draws (count, dimension) from `even_points`."""
    return np.asarray(special.ndtri(even_points(rng, count, dimension)))


@dataclass(frozen=True)
class Mixture:
    """K components in d dimensions: share (K,), centre (K, d), lower factor of the scale matrix (K, d, d)."""

    share: Floats
    centre: Floats
    factor: Floats

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Draws (count, d): one coordinate of each point chooses the component, one its stretch, d the direction."""
        points = even_points(rng, count, self.centre.shape[1] + 2)
        edges = np.cumsum(self.share)
        component = np.minimum(np.searchsorted(edges / edges[-1], points[:, 0], side="right"), len(edges) - 1)
        stretch = np.sqrt(0.5 * DF / special.gammaincinv(0.5 * DF, points[:, 1]))
        normal = special.ndtri(points[:, 2:]) * stretch[:, None]
        return np.asarray(self.centre[component] + np.einsum("nij,nj->ni", self.factor[component], normal))

    def log_density(self, x: Floats) -> Floats:
        """Log density (N,) at x (N, d)."""
        return _log_total(_log_parts(self, _squares(self, x)))


def fitted(x: Floats, weight: Floats, rng: np.random.Generator) -> Mixture:
    """The mixture nearest to points x (N, d) with weights (N,) that sum to one."""
    dimension = x.shape[1]
    middle = weight @ x
    apart = x - middle
    covariance = (apart * weight[:, None]).T @ apart
    # A few effective particles can make a flat cloud; a little of the diagonal keeps the factor alive.
    ridge = 1e-9 + 1e-4 * np.diag(covariance).mean()
    whole = np.linalg.cholesky(covariance + ridge * np.eye(dimension))
    white: Floats = np.asarray(np.linalg.solve(whole, apart.T).T, dtype=np.float64)
    nearest = min((_parts(white, weight, number, rng) for number in NUMBERS), key=lambda found: found[1])[0]
    return Mixture(
        np.append((1.0 - GUARD_SHARE) * nearest.share, GUARD_SHARE),
        np.vstack([middle + nearest.centre @ whole.T, middle]),
        np.concatenate([whole @ nearest.factor, GUARD_WIDTH * whole[None]]),
    )


def _parts(white: Floats, weight: Floats, number: int, rng: np.random.Generator) -> tuple[Mixture, float]:
    """Components fitted to a cloud of mean 0 and unit covariance, and what they lose by Akaike's criterion."""
    dimension = white.shape[1]
    effective = 1.0 / float((weight * weight).sum())
    part = number ** (-1.0 / dimension) * np.eye(dimension)
    found = Mixture(
        np.full(number, 1.0 / number), _seeds(white, weight, number, rng), np.repeat(part[None], number, axis=0)
    )
    for _ in range(PASSES):
        found = _pass(found, white, weight, effective, part @ part)
    parameters = len(found.share) * (dimension + 1) * (dimension + 2) / 2 - 1
    return found, parameters / effective - float(weight @ found.log_density(white))


def _pass(found: Mixture, white: Floats, weight: Floats, effective: float, part: Floats) -> Mixture:
    """One pass of expectation and maximisation; components that are left with nearly nothing are given up."""
    dimension = white.shape[1]
    square = _squares(found, white)
    log_part = _log_parts(found, square)
    belongs = np.exp(log_part - _log_total(log_part)) * weight
    kept = belongs.sum(axis=1) > LEAST_SHARE
    belongs, square = belongs[kept], square[kept]
    mass = belongs.sum(axis=1)
    pulled = belongs * (DF + dimension) / (DF + square)
    centre = (pulled @ white) / pulled.sum(axis=1)[:, None]
    apart = white - centre[:, None]
    scatter = (pulled[:, :, None] * apart).transpose(0, 2, 1) @ apart
    # A few particles' worth of roundness keep the scale of a small component from collapsing.
    scale = (effective * scatter + (dimension + 2.0) * part) / (effective * mass + dimension + 2.0)[:, None, None]
    return Mixture(mass / mass.sum(), centre, np.linalg.cholesky(scale))


def _seeds(white: Floats, weight: Floats, number: int, rng: np.random.Generator) -> Floats:
    """Starting centres: particles chosen by weight times squared distance from those chosen (Arthur & Vassilvitskii).

    A single one is the mean.
    """
    if number == 1:
        return np.zeros((1, white.shape[1]))
    odds, chosen = weight, np.empty((0, white.shape[1]))
    nearest = np.full(len(white), np.inf)
    while len(chosen) < number:
        edges = np.cumsum(odds)
        at = min(int(np.searchsorted(edges, rng.random() * edges[-1], side="right")), len(white) - 1)
        chosen = np.vstack([chosen, white[at]])
        nearest = np.minimum(nearest, ((white - white[at]) ** 2).sum(axis=1))
        odds = weight * nearest
    return chosen


def _squares(mixture: Mixture, x: Floats) -> Floats:
    """Squared distances (K, N) in each component's scale."""
    white = np.linalg.inv(mixture.factor) @ (x - mixture.centre[:, None]).transpose(0, 2, 1)
    return np.asarray((white * white).sum(axis=1))


def _log_parts(mixture: Mixture, square: Floats) -> Floats:
    """Log of each component's share times its density (K, N), from squared distances (K, N)."""
    dimension = mixture.centre.shape[1]
    whole = special.gammaln(0.5 * (DF + dimension)) - special.gammaln(0.5 * DF) - 0.5 * dimension * np.log(DF * np.pi)
    log_root = np.log(np.diagonal(mixture.factor, axis1=1, axis2=2)).sum(axis=1)
    height = np.log(mixture.share) - log_root + whole
    return np.asarray(height[:, None] - 0.5 * (DF + dimension) * np.log1p(square / DF))


def _log_total(log_part: Floats) -> Floats:
    """Log of the sum over components (N,) of exp(log_part) (K, N)."""
    top = log_part.max(axis=0)
    return np.asarray(top + np.log(np.exp(log_part - top).sum(axis=0)))
