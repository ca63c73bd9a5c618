"""Nodes of a quadrature over the effects b of a site.

Without classes that nobody sees b has one mode, and nodes are those of adaptive Gauss-Hermite quadrature about it (Liu
& Pierce 1994, Biometrika 81:624). With such classes it may have several, as that of two patients who are slow in a fast
site or fast in a slow one. So nodes are a lattice then, whose sum is as good as exact where it is as fine as b is known
within classes (the trapezoidal rule), and reaches as far as classes spread b. How far that is follows from the
likelihoods of members, each taken to be normal in b.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from twin.arrays import Floats, Integers
from twin.population.sites.arrow import by_site
from twin.population.values import Population

NODES = {1: 9, 2: 7, 3: 5}
"""Nodes of Gauss and Hermite along each of q axes of b; 3 of more than three."""

FINE, REACH = {1: 1.25, 2: 1.4, 3: 1.6}, {1: 4.5, 2: 4.0, 3: 3.2}
"""How fine a lattice is along each of q axes, in standard deviations of b within classes, and how far it reaches, in
those of b; of more than three axes 1.8 and 3."""

FARTHEST = {1: 40, 2: 12, 3: 8}
"""Standard deviations of b within classes that other modes are looked for in; of more than three axes nowhere."""


class Nodes(NamedTuple):
    """Of each site M nodes of b (sites, M, q), and logarithms of their weights (sites, M)."""

    at: Floats
    log_weight: Floats


class Parabolas(NamedTuple):
    """log L_ik of N members about the likeliest b: (N,), its slope (N, q), and less its curvature (N, q, q)."""

    log: Floats
    slope: Floats
    bend: Floats


def about(b: Floats, covariance: Floats) -> Nodes:
    """Of Gauss and Hermite, about the modes (sites, q) with covariances (sites, q, q)."""
    q = b.shape[1]
    points, weights = special.roots_hermite(NODES.get(q, 3))
    grid = _grid([points] * q)
    of_grid = _grid([np.log(weights)] * q).sum(axis=1)
    factor = np.sqrt(2.0) * np.linalg.cholesky(covariance)
    nodes = b[:, None] + np.einsum("sij,mj->smi", factor, grid)
    return Nodes(nodes, of_grid + (grid * grid).sum(axis=1) + _log_det(factor)[:, None])


def lattice(mean: Floats, spread: Floats, within: Floats) -> Nodes:
    """About means (sites, q) of b with covariances ``spread`` (sites, q, q), which is known as ``within`` is in every
    class."""
    q = mean.shape[1]
    fine, reach = FINE.get(q, 1.8), REACH.get(q, 3.0)
    factor, sizes = _axes(spread, within)
    return _lattice(mean, fine * factor, [reach / fine * size for size in np.sqrt(np.maximum(sizes, 1.0))])


def spread(b: Floats, within: Floats, near: Parabolas, population: Population, site: Integers) -> tuple[Floats, Floats]:
    """Mean (sites, q) and covariance (sites, q, q) of b, about the likeliest (sites, q), of members (N,) that are what
    is ``near`` there."""
    q = b.shape[1]
    if q not in FARTHEST:
        return b, within
    factor, sizes = _axes(np.broadcast_to(population.omega_isv, within.shape), within)
    far = [min(FARTHEST[q], size) for size in REACH[q] * np.sqrt(np.maximum(sizes, 1.0))]
    nodes = _lattice(b, factor, far)
    away = (nodes.at - b[:, None])[np.repeat(site, len(population.shares))]
    log = near.log[:, None] + np.einsum("nmq,nq->nm", away, near.slope)
    log -= 0.5 * np.einsum("nmq,nqr,nmr->nm", away, near.bend, away)
    log = log.reshape(len(site), len(population.shares), -1) + np.log(population.shares)[:, None]
    total = by_site(special.logsumexp(log, axis=1), site)
    total -= 0.5 * np.einsum("smq,qr,smr->sm", nodes.at, population.precision("isv"), nodes.at)
    weight = special.softmax(np.where(np.isfinite(total), total, -1e300), axis=1)
    mean = np.einsum("sm,smq->sq", weight, nodes.at)
    apart = nodes.at - mean[:, None]
    return mean, np.einsum("sm,smq,smr->sqr", weight, apart, apart)


def _axes(spread: Floats, within: Floats) -> tuple[Floats, Floats]:
    """Axes (sites, q, q), by columns, that both covariances have, as long as ``within`` is, and the largest (q,) of all
    sites along each of ``spread``, in units of that."""
    lower = np.linalg.cholesky(within)
    back = np.linalg.inv(lower)
    sizes, turned = np.linalg.eigh(back @ spread @ back.swapaxes(1, 2))
    return lower @ turned, sizes.max(axis=0)


def _lattice(centre: Floats, factor: Floats, far: list[float]) -> Nodes:
    """Whole numbers of steps (sites, q, q), by columns, from centres (sites, q) as ``far`` as that along each axis."""
    steps = _grid([np.arange(-np.ceil(each), np.ceil(each) + 1.0) for each in far])
    nodes = centre[:, None] + np.einsum("sij,mj->smi", factor, steps)
    return Nodes(nodes, np.broadcast_to(np.log(np.abs(np.linalg.det(factor)))[:, None], nodes.shape[:2]))


def _grid(axes: list[Floats]) -> Floats:
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def _log_det(factor: Floats) -> Floats:
    return np.asarray(np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1))
