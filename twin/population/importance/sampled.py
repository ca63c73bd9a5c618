"""The likelihood of a population by importance sampling, exact up to an error that it tells, and its score.

    L_i = 1/S sum_s p(y_i | eta_s) p(eta_s | Omega) / q_i(eta_s)

With weights w_s that each patient's terms of the sum make of themselves, Fisher's identity gives the score: the
derivative of log L_i by any number is the weighted mean of that of log p(y_i, eta_s). Where a typical value has an
effect of its own, draws are held in place while it moves, so that it is only the prior that changes; of one that has
none the predictions move, along slopes that are taken once (`Sample.slopes`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from twin.arrays import Floats, Integers
from twin.population.importance.density import Density, Read, Slopes
from twin.population.importance.draws import Proposals, moments
from twin.population.importance.site_integral import integrated
from twin.population.mixture.mixing import HARDLY, mixed, together
from twin.population.residuals import LOG_2PI
from twin.population.sites.arrow import first_of
from twin.population.stencil import H
from twin.population.theta import Theta
from twin.population.values import Penalty, Population

STEP = 1e-4
"""Displacement of the logarithm of an error's size, and of a typical value without an effect, for a central difference
of the log likelihood."""


@dataclass(frozen=True)
class Likelihood:
    """Of N patients; of a mixture ``size``, ``mean`` and ``square`` are of members (`twin.population.mixture`).

    Attributes:
        log: (N,) log L of each, as `twin.population.importance.density` counts.
        error: (N,) its standard error by the pairs of draws; NaN of even draws.
        size: (N,) effective share of the draws, 1 / (S sum w^2); 1 of who hardly is of this class.
        score: (N, K) d log L / d vector.
        mean, square: (N, D) and (N, D, D) of eta: posterior means, and second moments about 0.
        prior: what a prior adds to -2 log L of everybody.
        posterior: (N, classes) how probable each class is given the values; ``None`` without classes.
        site: (N,) number of each patient's site, where sites differ (`twin.population.objective.Evaluation`).
    """

    log: Floats
    error: Floats
    size: Floats
    score: Floats
    mean: Floats
    square: Floats
    prior: Penalty | None = None
    posterior: Floats | None = None
    site: Integers | None = None

    @property
    def total(self) -> float:
        """Log likelihood of everybody, with the log density of a prior."""
        return float(self.log.sum()) - (0.0 if self.prior is None else 0.5 * self.prior.value)

    @property
    def slope(self) -> Floats:
        """(K,) of ``total``."""
        of_patients = np.asarray(self.score.sum(axis=0))
        return of_patients if self.prior is None else of_patients - 0.5 * self.prior.gradient

    @property
    def information(self) -> Floats:
        """(K, K) by squared scores, and the prior's."""
        of_patients = np.asarray(self.score.T @ self.score)
        return of_patients if self.prior is None else of_patients + 0.5 * self.prior.curvature

    @property
    def covariance(self) -> Floats:
        """(N, D, D) posterior covariances of eta."""
        return self.square - self.mean[:, :, None] * self.mean[:, None, :]


class Sample:
    """Draws of everybody around proposals, solved at one vector, with which the likelihood near to it is worked out.

    Args:
        density: of the cohort.
        vector: (K,) where it was drawn.
        standard: (N, S, D) standard draws (`twin.population.importance.draws`).
    """

    def __init__(self, density: Density, vector: Floats, proposals: Proposals, standard: Floats) -> None:
        cohort = density.cohort
        self.density, self.theta = density, cohort.theta
        self.vector = vector.copy()
        self.population = self.theta.unpack(vector)
        self.eta = proposals.drawn(standard)
        self._log_q = proposals.log_density(standard)
        shifts = np.zeros((*self.eta.shape[:2], cohort.size - cohort.effects))
        self._z = np.concatenate([self.eta, shifts], axis=2)
        self._read = density.read(self._z, self.population.place)
        self._pieces = _Pieces.of(self.theta, cohort.directions, cohort.effects)
        self.slopes = {at: self._slope(at) for at in self._pieces.shifted}

    def _slope(self, at: int) -> Slopes:
        """Of a typical value without an effect of its own: how what is read moves with it."""
        step = H * max(1.0, abs(self.vector[at]))
        moved = step * self.density.cohort.directions[at]
        place = self.population.place
        up = self.density.read(self._z + moved, place)
        down = self.density.read(self._z - moved, place)
        return up.slopes(down, 2.0 * step)

    def likelihood(self, vector: Floats, *, score: bool = True, paired: bool = False) -> Likelihood:
        """At a vector near to where it was drawn."""
        population = self.theta.unpack(vector)
        read = self._moved(vector)
        log_y = self.density.of(read, population.errors)
        occasions = self.density.cohort.occasions
        _, precision, log_det = population.prior(occasions)
        eta = self.eta - self._pieces.effect_shift(vector - self.vector)
        along = eta @ precision
        d = eta.shape[2]
        log_prior = -0.5 * (np.einsum("nsd,nsd->ns", along, eta) + log_det + d * LOG_2PI)
        terms = log_y + log_prior - self._log_q
        if (site := self.density.cohort.site) is not None:
            return self._of_sites(vector, read, terms, eta, site, score=score, paired=paired)
        total = special.logsumexp(terms, axis=1)
        share = np.exp(terms - np.where(np.isfinite(total), total, 0.0)[:, None])
        size = 1.0 / (share.shape[1] * np.maximum((share * share).sum(axis=1), 1e-300))
        mean, square = moments(eta, share)
        found = Likelihood(
            total - np.log(share.shape[1]),
            _pair_error(share) if paired else np.full(len(total), np.nan),
            size,
            np.empty((len(total), 0)),
            mean,
            square,
            self.theta.penalty(vector),
        )
        if score:
            found = replace(found, score=self._score(vector, population, read, share, mean, square))
        return found if self.density.cohort.classes == 1 else self._whatever_class(found, population.shares)

    def _of_sites(
        self, vector: Floats, read: Read, terms: Floats, eta: Floats, site: Integers, *, score: bool, paired: bool
    ) -> Likelihood:
        """The same where sites differ."""
        population, cohort = self.theta.unpack(vector), self.density.cohort
        precision = population.prior(cohort.occasions)[1]
        joint = integrated(terms, eta, precision, cohort.above, population, site)
        mean, square = moments(eta, joint.share)
        found = Likelihood(
            joint.log,
            _pair_error(joint.share) if paired else np.full(len(joint.log), np.nan),
            1.0 / (joint.share.shape[1] * np.maximum((joint.share * joint.share).sum(axis=1), 1e-300)),
            np.empty((len(joint.log), 0)),
            mean,
            square,
            self.theta.penalty(vector),
            site=site,
        )
        if not score:
            return found
        scores = self._score(vector, population, read, joint.share, joint.away, joint.square)
        precision, first = population.precision_isv, first_of(site)
        for at, change in self.theta.omega_slopes(vector, "isv").items():
            moved = precision @ change @ precision
            of_site = 0.5 * (np.einsum("sij,ij->s", joint.of_sites, moved) - float((precision * change).sum()))
            scores[first, at] += of_site
        return replace(found, score=scores)

    def _whatever_class(self, members: Likelihood, shares: Floats) -> Likelihood:
        """The likelihood of members as that of patients; draws of other classes err on their own."""
        found = mixed(members.log, shares)
        score = together(members.score, found.posterior)
        if score.shape[1]:
            score[:, self.theta.shares] = (found.posterior - shares)[:, : len(self.theta.shares)]
        error = np.sqrt(together(members.error**2, found.posterior**2))
        size = np.where(found.posterior.reshape(-1) < HARDLY, 1.0, members.size)
        return replace(members, log=found.log, score=score, error=error, size=size, posterior=found.posterior)

    def without_prior(self) -> Floats:
        """(N, S) log p(values | draw) + log p(kappas, u) - log q where it was drawn: all but the prior of eta."""
        population = self.population
        d, o = len(population.omega), len(population.omega_iov)
        found = self.density.of(self._read, population.errors) - self._log_q
        for n in range(self.density.cohort.occasions if o else 0):
            kappa = self.eta[:, :, d + n * o : d + (n + 1) * o]
            along = np.einsum("nsi,ij,nsj->ns", kappa, population.precision_iov, kappa)
            found -= 0.5 * (along + population.log_det_iov + o * LOG_2PI)
        if w := population.widened:
            found -= 0.5 * ((self.eta[:, :, -w:] ** 2).sum(axis=2) + w * LOG_2PI)
        return np.asarray(found)

    def _moved(self, vector: Floats) -> Read:
        read = self._read
        for at, slopes in self.slopes.items():
            by = float(vector[at] - self.vector[at])
            if by:
                read = read.moved(slopes, by)
        return read

    def _score(
        self, vector: Floats, population: Population, read: Read, share: Floats, mean: Floats, square: Floats
    ) -> Floats:
        """Of draws with shares (N, S); ``mean`` (N, D) and ``square`` (N, D, D) are those of what the prior is of."""
        score = np.zeros((len(share), self.theta.size))
        occasions = self.density.cohort.occasions
        _, precision, _ = population.prior(occasions)
        effects = self.density.cohort.effects
        for at in self._pieces.placed:
            score[:, at] = mean @ precision @ self.density.cohort.directions[at, :effects]
        for at, slopes in self.slopes.items():
            up, down = (read.moved(slopes, side * STEP) for side in (1.0, -1.0))
            score[:, at] = _weighed(share, self.density.change(up, down, population.errors, population.errors))
        for at in self.theta.scatter:
            larger, less = (self.theta.moved_errors(population.errors, at, side * STEP) for side in (1.0, -1.0))
            score[:, at] = _weighed(share, self.density.change(read, read, larger, less))
        self._omega_score(score, vector, population, square)
        return score

    def _omega_score(self, score: Floats, vector: Floats, population: Population, square: Floats) -> None:
        d, o = len(population.omega), len(population.omega_iov)
        blocks = {"omega": [slice(0, d)]}
        blocks["iov"] = [slice(d + n * o, d + (n + 1) * o) for n in range(self.density.cohort.occasions)]
        precisions = {"omega": population.precision, "iov": population.precision_iov}
        for level in ("omega", "iov"):
            for at, change in self.theta.omega_slopes(vector, level).items():
                precision = precisions[level]
                moved = precision @ change @ precision
                trace = float((precision * change).sum())
                for block in blocks[level]:
                    score[:, at] += 0.5 * (np.einsum("nij,ij->n", square[:, block, block], moved) - trace)


@dataclass(frozen=True)
class _Pieces:
    """Places in the vector: of typical values with an effect, and of those without."""

    placed: tuple[int, ...]
    shifted: tuple[int, ...]
    directions: Floats

    @classmethod
    def of(cls, theta: Theta, directions: Floats, effects: int) -> _Pieces:
        """Of what is free."""
        places = [at for at, e in enumerate(theta.elements) if e.kind == "place"]
        placed = tuple(at for at in places if directions[at, :effects].any())
        return cls(placed, tuple(at for at in places if at not in placed), directions[:, :effects])

    def effect_shift(self, step: Floats) -> Floats:
        """What a step (K,) of the vector takes from effects (D,) that stay where they are."""
        return np.asarray(step @ self.directions)


def _weighed(share: Floats, change: Floats) -> Floats:
    """Mean slope (N,) of draws with shares (N, S), from one `STEP` below to one above."""
    return np.asarray((share * np.where(share > 0.0, np.nan_to_num(change), 0.0)).sum(axis=1)) / (2.0 * STEP)


def _pair_error(share: Floats) -> Floats:
    """Standard error (N,) of log L of draws in neighbouring pairs: that of the mean of the pairs, over the mean."""
    pairs = share[:, 0::2] + share[:, 1::2]
    return np.asarray(np.sqrt(pairs.shape[1]) * pairs.std(axis=1, ddof=1))
