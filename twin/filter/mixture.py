"""Mixtures of Student-t distributions: what a weighted cloud looks like, to draw a better one from.

    q(x) = sum_k share_k t(x; centre_k, scale_k, df)

A cloud bent like a banana, or of two separate parts, is near a few of these. Components are fitted by expectation and
maximisation (Peel & McLachlan 2000) in coordinates in which the cloud has unit covariance; of one, two, four and
eight, that many are taken as lose least by Akaike's criterion, which estimates the divergence of the cloud from the
mixture. Two more, one twice as wide as the whole cloud and one as wide as the prior, guard against what the cloud does
not show (Hesterberg 1995). Draws are low-discrepancy points (scrambled Sobol' points, Owen 1997), which fill the
mixture more evenly than chance does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.filter.modes.peaks import Peaks
from twin.kernel.compiling.by_hand import compiled
from twin.randomness import even_points

DF_FITTED = 20.0
"""Degrees of freedom of the components as they are fitted: nearly normal, as most posteriors are."""

DF_DRAWN = 5.0
"""Degrees of freedom of the components as they are drawn from: tails heavier than a posterior's."""

SPREAD = 1.2
"""Widening of the components' scales: the thin ends of a bent cloud are beyond its fitted parts."""

PASSES = 8
"""Passes of expectation and maximisation."""

LEAST_SHARE = 0.01
"""A component with less of the cloud is given up."""

NUMBERS = (1, 2, 4, 8)
"""Components that are tried, until more of them lose more."""

PEAK_SHARE = 0.12
"""Least share of a peak among several: a light one needs draws enough for its own weight to be known."""

GUARD_SHARES, GUARD_WIDTH = (0.05, 0.1), 2.0
"""Shares of the two guards, the wide one and the prior, and the width of the first over the cloud's."""


@dataclass(frozen=True)
class Mixture:
    """K components in d dimensions: share (K,), centre (K, d), lower factor of the scale matrix (K, d, d), and the
    degrees of freedom of all."""

    share: Floats
    centre: Floats
    factor: Floats
    df: float

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Draws (count, d): one coordinate of each point chooses the component, one its stretch, d the direction."""
        points = even_points(rng, count, self.centre.shape[1] + 2)
        edges = np.cumsum(self.share)
        component = np.minimum(np.searchsorted(edges / edges[-1], points[:, 0], side="right"), len(edges) - 1)
        stretch = np.sqrt(0.5 * self.df / special.gammaincinv(0.5 * self.df, points[:, 1]))
        normal = special.ndtri(points[:, 2:]) * stretch[:, None]
        return np.asarray(self.centre[component] + np.einsum("nij,nj->ni", self.factor[component], normal))

    def log_density(self, x: Floats) -> Floats:
        """Log density (N,) at x (N, d)."""
        density = np.empty(len(x))
        inverse, height = np.linalg.inv(self.factor), self._heights()
        _log_density(np.ascontiguousarray(x), self.centre, inverse, height, self.df, density)
        return density

    def _heights(self) -> Floats:
        """Log of each component's share times its density at its centre (K,)."""
        dimension, df = self.centre.shape[1], self.df
        whole = math.lgamma(0.5 * (df + dimension)) - math.lgamma(0.5 * df) - 0.5 * dimension * math.log(df * math.pi)
        log_root = np.log(np.diagonal(self.factor, axis1=1, axis2=2)).sum(axis=1)
        return np.asarray(np.log(self.share) - log_root + whole)


def fitted(x: Floats, weight: Floats, prior: Floats, rng: np.random.Generator, peaks: Peaks | None = None) -> Mixture:
    """The mixture nearest to points x (N, d) with weights (N,) that sum to one; ``prior`` is a covariance (d, d).

    Where there are several ``peaks`` each is fitted by itself, and has at least its Laplace mass, or `PEAK_SHARE`.
    """
    dimension = x.shape[1]
    middle = (x * weight[:, None]).sum(axis=0)
    apart = x - middle
    covariance = np.einsum("n,ni,nj->ij", weight, apart, apart)
    # A few effective particles can make a flat cloud; a little of the diagonal keeps the factor alive.
    ridge = 1e-9 + 1e-4 * np.diag(covariance).mean()
    whole = np.linalg.cholesky(covariance + ridge * np.eye(dimension))
    parts = _nearest(x, weight, middle, whole, rng) if peaks is None else _by_peak(x, weight, peaks, rng)
    return Mixture(
        np.append((1.0 - sum(GUARD_SHARES)) * parts.share, GUARD_SHARES),
        np.vstack([parts.centre, middle, np.zeros(dimension)]),
        np.concatenate([SPREAD * parts.factor, GUARD_WIDTH * whole[None], np.linalg.cholesky(prior)[None]]),
        DF_DRAWN,
    )


def _nearest(x: Floats, weight: Floats, middle: Floats, whole: Floats, rng: np.random.Generator) -> Mixture:
    """As many components as lose least, in coordinates about ``middle`` (d,) with unit covariance by ``whole``."""
    white = np.einsum("nj,ij->ni", x - middle, np.linalg.inv(whole))
    nearest, loss = _parts(white, weight, NUMBERS[0], rng)
    for number in NUMBERS[1:]:
        found, lost = _parts(white, weight, number, rng)
        if lost >= loss:
            break
        nearest, loss = found, lost
    return Mixture(nearest.share, middle + nearest.centre @ whole.T, whole @ nearest.factor, DF_DRAWN)


def _by_peak(x: Floats, weight: Floats, peaks: Peaks, rng: np.random.Generator) -> Mixture:
    """Components of each peak, fitted to the points that are nearest to it."""
    label, number = peaks.nearest(x), len(peaks.mass)
    share: Floats = np.bincount(label, weights=weight, minlength=number).astype(np.float64)
    found = []
    for k, (centre, factor) in enumerate(zip(peaks.centre, peaks.factor, strict=True)):
        own = label == k
        if share[k] > 0.0:
            each = weight[own] / share[k]
            found.append(_nearest(x[own], each, *_like(x[own], each, centre, factor), rng))
        else:
            found.append(Mixture(np.ones(1), centre[None], factor[None], DF_DRAWN))
    share = np.maximum(share, np.maximum(peaks.mass, min(PEAK_SHARE, 1.0 / number)))
    share = share / share.sum()
    return Mixture(
        np.concatenate([part.share * mass for part, mass in zip(found, share, strict=True)]),
        np.concatenate([part.centre for part in found]),
        np.concatenate([part.factor for part in found]),
        DF_DRAWN,
    )


def _like(x: Floats, weight: Floats, centre: Floats, factor: Floats) -> tuple[Floats, Floats]:
    """Mean (d,) and lower factor of the covariance (d, d) of a peak's points: few of them leave it as it was found."""
    effective, held = 1.0 / float((weight * weight).sum()), x.shape[1] + 2.0
    middle = (effective * (x * weight[:, None]).sum(axis=0) + held * centre) / (effective + held)
    apart = x - middle
    scatter = effective * np.einsum("n,ni,nj->ij", weight, apart, apart)
    return middle, np.linalg.cholesky((scatter + held * factor @ factor.T) / (effective + held))


def _parts(white: Floats, weight: Floats, number: int, rng: np.random.Generator) -> tuple[Mixture, float]:
    """Components fitted to a cloud of mean 0 and unit covariance, and what they lose by Akaike's criterion."""
    dimension = white.shape[1]
    effective = 1.0 / float((weight * weight).sum())
    part = number ** (-1.0 / dimension)
    found = Mixture(
        np.full(number, 1.0 / number),
        _seeds(white, weight, number, rng),
        np.repeat(part * np.eye(dimension)[None], number, axis=0),
        DF_FITTED,
    )
    for _ in range(PASSES):
        found = _pass(found, white, weight, effective, part * part)
    parameters = len(found.share) * (dimension + 1) * (dimension + 2) / 2 - 1
    return found, parameters / effective - float((weight * found.log_density(white)).sum())


def _pass(found: Mixture, white: Floats, weight: Floats, effective: float, part: float) -> Mixture:
    """One pass of expectation and maximisation; components that are left with nearly nothing are given up."""
    number, dimension = found.centre.shape
    mass, pull = np.zeros(number), np.zeros(number)
    first, second = np.zeros((number, dimension)), np.zeros((number, dimension, dimension))
    inverse, height = np.linalg.inv(found.factor), found._heights()
    _gather(white, weight, found.centre, inverse, height, found.df, mass, pull, first, second)
    kept = mass > LEAST_SHARE
    mass, pull, first, second = mass[kept], pull[kept], first[kept], second[kept]
    shift = first / pull[:, None]
    scatter = second - pull[:, None, None] * shift[:, :, None] * shift[:, None, :]
    # A few particles' worth of roundness keep the scale of a small component from collapsing.
    held = dimension + 2.0
    scale = (effective * scatter + held * part * np.eye(dimension)) / (effective * mass + held)[:, None, None]
    return Mixture(mass / mass.sum(), found.centre[kept] + shift, np.linalg.cholesky(scale), found.df)


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


@compiled(error_model="numpy")
def _log_parts(x, centre, inverse, height, df, square, log_part):  # type: ignore[no-untyped-def]
    """Squared distances (K,) of a point x (d,) and the logs of each component's share times its density; their sum's.

    ``inverse`` (K, d, d) of the lower factors, ``height`` (K,) as `Mixture._heights`.
    """
    number, dimension = centre.shape
    top = -np.inf
    for k in range(number):
        square[k] = 0.0
        for i in range(dimension):
            white = 0.0
            for j in range(i + 1):
                white += inverse[k, i, j] * (x[j] - centre[k, j])
            square[k] += white * white
        log_part[k] = height[k] - 0.5 * (df + dimension) * math.log(1.0 + square[k] / df)
        top = max(top, log_part[k])
    total = 0.0
    for k in range(number):
        total += math.exp(log_part[k] - top)
    return top + math.log(total)


@compiled(error_model="numpy")
def _log_density(x, centre, inverse, height, df, density):  # type: ignore[no-untyped-def]
    """Fill log density (N,) at x (N, d)."""
    square, log_part = np.empty(len(centre)), np.empty(len(centre))
    for n in range(len(x)):
        density[n] = _log_parts(x[n], centre, inverse, height, df, square, log_part)


@compiled(error_model="numpy")
def _gather(x, weight, centre, inverse, height, df, mass, pull, first, second):  # type: ignore[no-untyped-def]
    """Add up what x (N, d) give each component: mass (K,), and pull (K,), first and second moments about its centre,
    in which a distant point counts less."""
    number, dimension = centre.shape
    square, log_part, apart = np.empty(number), np.empty(number), np.empty(dimension)
    for n in range(len(x)):
        if weight[n] == 0.0:
            continue
        total = _log_parts(x[n], centre, inverse, height, df, square, log_part)
        for k in range(number):
            belongs = weight[n] * math.exp(log_part[k] - total)
            pulled = belongs * (df + dimension) / (df + square[k])
            mass[k] += belongs
            pull[k] += pulled
            for i in range(dimension):
                apart[i] = x[n, i] - centre[k, i]
                first[k, i] += pulled * apart[i]
                for j in range(i + 1):
                    second[k, i, j] += pulled * apart[i] * apart[j]
    for k in range(number):
        for i in range(dimension):
            for j in range(i):
                second[k, j, i] = second[k, i, j]


def log_sum(log_part: Floats) -> Floats:
    """log sum_k exp(log_part[k]) (N,) of log_part (K, N)."""
    top = log_part.max(axis=0)
    return np.asarray(top + np.log(np.exp(log_part - top).sum(axis=0)))
