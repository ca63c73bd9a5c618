"""The likelihood of a site by the draws of its patients: one integral over b, of the product of its patients'.

    L_site = int prod_i L_i(b) N(b; 0, Omega_isv) db,        L_i(b) = sum_k p_k L_ik(b)
    L_ik(b) = 1/S sum_s p(y_i | psi_s, class k) N(psi_s; E b, Omega) / q_ik(psi_s)

The draws psi_s of a member (`twin.population.mixture`) stand still, so that L_i is a smooth function of b, and its
integral is found by adaptive quadrature about the likeliest b (`twin.population.sites.nodes`), which Newton
steps find: their gradient and curvature are those of posterior means and covariances of psi given b
(`twin.population.sites.arrow`), of covariances within classes, whose steps lead up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.population.importance.draws import moments
from twin.population.mixture.mixing import mixed, together
from twin.population.sites.arrow import Arrow, by_site
from twin.population.sites.nodes import Nodes, Parabolas, about, lattice, spread
from twin.population.values import Population

MOST_STEPS, ARRIVED = 30, 1e-8
"""Newton steps to the likeliest b, and the squared length in standard deviations of one that is not worth making."""


@dataclass(frozen=True)
class Integrated:
    """Of n patients in sites whose effects are integrated over, and of their N members with S draws each.

    Attributes:
        log: (n,) each patient's part in the log likelihood of its site.
        posterior: (n, K) how probable each class is.
        share: (N, S) weights of draws of who is of that class, whatever b.
        away, square: (N, D) and (N, D, D) posterior means, and second moments about 0, of psi - E b of such a patient.
        of_sites: (sites, q, q) posterior second moments about 0 of b.
    """

    log: Floats
    posterior: Floats
    share: Floats
    away: Floats
    square: Floats
    of_sites: Floats


class _Draws(NamedTuple):
    """Log weights ``terms`` (N, S) of draws psi (N, S, D), ``reach`` (N, S, q) what b weighs them by, and the ``site``
    (n,) of each patient and ``of_members`` (N,) of each member."""

    terms: Floats
    psi: Floats
    reach: Floats
    precision: Floats
    above: Floats
    population: Population
    site: Integers
    of_members: Integers


def integrated(
    terms: Floats, psi: Floats, precision: Floats, above: Floats, population: Population, site: Integers
) -> Integrated:
    """Of log weights ``terms`` (N, S) of draws psi (N, S, D), whose prior's mean is 0; ``precision`` (D, D) is the
    prior's, ``above`` (D, q) says which effects those of a site add to, and ``site`` (n,) is that of each patient."""
    of_members = np.repeat(site, len(population.shares))
    draws = _Draws(terms, psi, psi @ (precision @ above), precision, above, population, site, of_members)
    b, covariance, near = _likeliest(draws)
    if len(population.shares) == 1:
        nodes = about(b, covariance)
    else:
        nodes = lattice(*spread(b, covariance, near, population, site), covariance)
    there = _at(draws, nodes)
    posterior, given = there.by_class(site, population.shares)
    share, along = _shares(terms, draws.reach, nodes.at, given, there.log, of_members)
    mean, square = moments(psi, share)
    at = nodes.at[of_members]
    of_b, square_b = np.einsum("nm,nmq->nq", given, at), np.einsum("nm,nmq,nmr->nqr", given, at, at)
    across = np.einsum("ij,njk->nik", above, np.einsum("nsq,nsd->nqd", along, psi))
    square = square - across - across.swapaxes(1, 2) + above @ square_b @ above.T
    of_sites = np.einsum("sn,snq,snr->sqr", there.weight, nodes.at, nodes.at)
    log = (there.whole / np.bincount(site))[site]
    return Integrated(log, posterior, share, mean - of_b @ above.T, square, of_sites)


class _There(NamedTuple):
    """At nodes: log L_ik (N, M), but for what is the same for all draws; p_k L_ik / L_i in logarithms (n, K, M); what
    nodes weigh (sites, M), and the log likelihood (sites,)."""

    log: Floats
    of_classes: Floats
    weight: Floats
    whole: Floats

    def by_class(self, site: Integers, shares: Floats) -> tuple[Floats, Floats]:
        """How probable each class is (n, K), and of members the weights (N, M) of nodes given that they are the one."""
        with np.errstate(divide="ignore"):  # of nodes without weight
            terms = np.log(self.weight)[site][:, None] + self.of_classes
        log = special.logsumexp(terms, axis=2)
        given = np.exp(terms - np.where(np.isfinite(log), log, 0.0)[:, :, None])
        possible = np.asarray(np.isfinite(log).any(axis=1))
        posterior = np.where(possible[:, None], np.exp(log), shares)
        return posterior, np.ascontiguousarray(given.reshape(len(self.log), -1))


def _at(draws: _Draws, nodes: Nodes) -> _There:
    population, site = draws.population, draws.site
    count, shares = np.bincount(site).astype(np.float64), population.shares
    log = _at_nodes(draws.terms, draws.reach, nodes.at, draws.of_members)
    each = log.reshape(len(site), len(shares), -1) + np.log(shares)[:, None]
    of_patients = special.logsumexp(each, axis=1)
    inside = draws.above.T @ draws.precision @ draws.above
    precisions = population.precision("isv") + count[:, None, None] * inside
    prior = -0.5 * np.einsum("snq,sqr,snr->sn", nodes.at, precisions, nodes.at)
    prior -= 0.5 * (population.log_det("isv") + nodes.at.shape[2] * np.log(2.0 * np.pi))
    total = by_site(of_patients, site) - (count * np.log(draws.terms.shape[1]))[:, None] + prior + nodes.log_weight
    whole = special.logsumexp(total, axis=1)
    weight = np.exp(total - np.where(np.isfinite(whole), whole, 0.0)[:, None])
    possible = np.asarray(np.isfinite(of_patients))[:, None]
    return _There(log, np.where(possible, each - np.where(possible, of_patients[:, None], 0.0), -np.inf), weight, whole)


def _likeliest(draws: _Draws) -> tuple[Floats, Floats, Parabolas]:
    """b (sites, q), its covariance (sites, q, q) by what patients tell within classes, and members near to it."""
    site, above, precision, population = draws.site, draws.above, draws.precision, draws.population
    inside = above.T @ precision @ above
    b = np.zeros((int(site.max()) + 1, above.shape[1]))
    for _ in range(MOST_STEPS):
        there = b[draws.of_members]
        given = draws.terms + np.einsum("nsq,nq->ns", draws.reach, there)
        log = special.logsumexp(given, axis=1)
        with np.errstate(invalid="ignore"):  # of a patient whose values no draw makes possible
            share = np.exp(given - log[:, None])
        mean, square = moments(draws.psi, np.nan_to_num(share))
        own = square - mean[:, :, None] * mean[:, None, :]
        posterior = mixed(log, population.shares).posterior
        arrow = _held(
            Arrow.of(together(own, posterior), precision, above, population.precision("isv"), site), population
        )
        slopes = (mean - there @ above.T) @ precision @ above
        slope = by_site(together(slopes, posterior), site) - b @ population.precision("isv")
        step = (arrow.covariance @ slope[:, :, None])[:, :, 0]
        if (step * slope).sum(axis=1).max() < ARRIVED:
            break
        b = b + step
    reach = precision @ above
    log = log - 0.5 * np.einsum("nq,qr,nr->n", there, inside, there)
    return b, arrow.covariance, Parabolas(log, slopes, inside - reach.T @ own @ reach)


def _held(arrow: Arrow, population: Population) -> Arrow:
    """The same with no b less certain than its prior is: few draws far from where they were made may seem to bend the
    wrong way, and neither a step nor nodes follow from that."""
    factor = np.linalg.cholesky(population.omega_isv)
    sizes, axes = np.linalg.eigh(factor.T @ arrow.schur @ factor)
    if sizes.min() >= 1.0:
        return arrow
    back = np.linalg.inv(factor).T @ axes
    held = (back * np.maximum(sizes, 1.0)[:, None]) @ back.swapaxes(1, 2)
    return arrow.where(np.where(sizes.min(axis=1)[:, None, None] < 1.0, held, arrow.schur))


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
    """Weights (N, S) of draws over all nodes of these weights (N, M), and these times b (N, S, q)."""
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
                one = weight[n, m] * np.exp(each)
                share[n, s] += one
                for i in range(q):
                    along[n, s, i] += one * nodes[site[n], m, i]
    return share, along
