"""The likelihood of a site by the draws of its patients: one integral over b, of the product of its patients'.

    L_site = int prod_i L_i(b) N(b; 0, Omega_isv) db,
    L_i(b) = 1/S sum_s p(y_i | psi_s) N(psi_s; E b, Omega) / q_i(psi_s)

The draws psi_s of a patient stand still, so that L_i is a smooth function of b, and its integral is found by adaptive
Gauss-Hermite quadrature (Liu & Pierce 1994, Biometrika 81:624) about the likeliest b, which Newton steps find: their
gradient and curvature are those of posterior means and covariances of psi given b (`twin.population.sites.arrow`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.population.importance.draws import moments
from twin.population.sites.arrow import Arrow, by_site
from twin.population.values import Population

MOST_STEPS, ARRIVED = 30, 1e-8
"""Newton steps to the likeliest b, and the squared length in standard deviations of one that is not worth making."""

NODES = {1: 9, 2: 7, 3: 5}
"""Nodes along each of q axes of b; 3 of more than three."""


@dataclass(frozen=True)
class Integrated:
    """Of N patients with S draws each, in sites whose effects are integrated over.

    Attributes:
        log: (N,) each patient's part in the log likelihood of its site.
        share: (N, S) weights of draws, whatever b.
        away, square: (N, D) and (N, D, D) posterior means, and second moments about 0, of psi - E b.
        of_sites: (n, q, q) posterior second moments about 0 of b.
    """

    log: Floats
    share: Floats
    away: Floats
    square: Floats
    of_sites: Floats


def integrated(
    terms: Floats, psi: Floats, precision: Floats, above: Floats, population: Population, site: Integers
) -> Integrated:
    """Of log weights ``terms`` (N, S) of draws psi (N, S, D), whose prior's mean is 0; ``precision`` (D, D) is the
    prior's, and ``above`` (D, q) which effects those of a site add to."""
    reach = psi @ (precision @ above)
    b, arrow = _likeliest(terms, psi, reach, precision, above, population, site)
    nodes, log_weight = _nodes(b, arrow.covariance)
    inside = above.T @ precision @ above
    count = np.bincount(site).astype(np.float64)
    log = _at_nodes(terms, reach, nodes, site)
    precisions = population.precision_isv + count[:, None, None] * inside
    prior = -0.5 * np.einsum("snq,sqr,snr->sn", nodes, precisions, nodes)
    prior -= 0.5 * (population.log_det_isv + nodes.shape[2] * np.log(2.0 * np.pi))
    total = by_site(log, site) - (count * np.log(terms.shape[1]))[:, None] + prior + log_weight
    whole = special.logsumexp(total, axis=1)
    weight = np.exp(total - np.where(np.isfinite(whole), whole, 0.0)[:, None])
    share, along = _shares(terms, reach, nodes, weight, log, site)
    mean, square = moments(psi, share)
    of_b = np.einsum("sn,snq->sq", weight, nodes)
    of_sites = np.einsum("sn,snq,snr->sqr", weight, nodes, nodes)
    across = np.einsum("ij,njk->nik", above, np.einsum("nsq,nsd->nqd", along, psi))
    square = square - across - across.swapaxes(1, 2) + above @ of_sites[site] @ above.T
    return Integrated((whole / count)[site], share, mean - of_b[site] @ above.T, square, of_sites)


def _likeliest(
    terms: Floats,
    psi: Floats,
    reach: Floats,
    precision: Floats,
    above: Floats,
    population: Population,
    site: Integers,
) -> tuple[Floats, Arrow]:
    """b (n, q) of each site, and the arrow there."""
    b = np.zeros((int(site.max()) + 1, above.shape[1]))
    for _ in range(MOST_STEPS):
        given = terms + np.einsum("nsq,nq->ns", reach, b[site])
        with np.errstate(invalid="ignore"):  # of a patient whose values no draw makes possible
            share = np.exp(given - special.logsumexp(given, axis=1, keepdims=True))
        mean, square = moments(psi, np.nan_to_num(share))
        covariance = square - mean[:, :, None] * mean[:, None, :]
        arrow = Arrow.of(covariance, precision, above, population.precision_isv, site)
        away = mean - b[site] @ above.T
        slope = by_site(away @ precision @ above, site) - b @ population.precision_isv
        step = (arrow.covariance @ slope[:, :, None])[:, :, 0]
        b = b + step
        if (step * slope).sum(axis=1).max() < ARRIVED:
            break
    return b, arrow


def _nodes(b: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Nodes (n, M, q) about b, and logarithms (n, M) of their weights."""
    q = b.shape[1]
    points, weights = special.roots_hermite(NODES.get(q, 3))
    grid = np.stack(np.meshgrid(*[points] * q, indexing="ij"), axis=-1).reshape(-1, q)
    of_grid = np.stack(np.meshgrid(*[np.log(weights)] * q, indexing="ij"), axis=-1).reshape(-1, q).sum(axis=1)
    factor = np.sqrt(2.0) * np.linalg.cholesky(covariance)
    log_det = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    nodes = b[:, None] + np.einsum("sij,mj->smi", factor, grid)
    return nodes, of_grid + (grid * grid).sum(axis=1) + log_det[:, None]


@compiled
def _at_nodes(terms, reach, nodes, site):  # type: ignore[no-untyped-def]
    """log sum over draws (N, M) of what each weighs at every node, but for what is the same for all draws."""
    count, size = terms.shape
    q = reach.shape[2]
    found = np.empty((count, nodes.shape[1]))
    each = np.empty(size)
    for n in range(count):
        for m in range(nodes.shape[1]):
            top = -np.inf
            for s in range(size):
                each[s] = terms[n, s]
                for i in range(q):
                    each[s] += reach[n, s, i] * nodes[site[n], m, i]
                if each[s] > top:
                    top = each[s]
            total = 0.0
            if top > -np.inf:
                for s in range(size):
                    total += np.exp(each[s] - top)
                found[n, m] = top + np.log(total)
            else:
                found[n, m] = -np.inf
    return found


@compiled
def _shares(terms, reach, nodes, weight, log, site):  # type: ignore[no-untyped-def]
    """Weights (N, S) of draws over all nodes, and these times b (N, S, q)."""
    count, size = terms.shape
    q = reach.shape[2]
    share, along = np.zeros((count, size)), np.zeros((count, size, q))
    for n in range(count):
        for m in range(nodes.shape[1]):
            if log[n, m] == -np.inf:
                continue
            for s in range(size):
                each = terms[n, s] - log[n, m]
                for i in range(q):
                    each += reach[n, s, i] * nodes[site[n], m, i]
                one = weight[site[n], m] * np.exp(each)
                share[n, s] += one
                for i in range(q):
                    along[n, s, i] += one * nodes[site[n], m, i]
    return share, along
