"""The likelihood of a population by importance sampling, exact up to an error that it tells, and its score.

    L_i = 1/S sum_s p(y_i | eta_s) p(eta_s | Omega) / q_i(eta_s)

With weights w_s that each patient's terms of the sum make of themselves, Fisher's identity gives the score: the
derivative of log L_i by any number is the weighted mean of that of log p(y_i, eta_s). Where a typical value has an
effect of its own, draws are held in place while it moves, so that it is only the prior that changes; of one that has
none the predictions move, along slopes that are taken once (`Sample.slopes`), or for certainty along curves
(`Sample.bent`). Effects that have next to nothing of
their own, or that values tell nothing of, go along with the population (`twin.population.importance.thin`), but where
sites differ.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import special

from twin.arrays import Floats, Integers
from twin.population.importance.density import Density, Read, Slopes
from twin.population.importance.draws import Proposals, moments
from twin.population.importance.site_integral import integrated
from twin.population.importance.thin import Plane, Pull, thin_of
from twin.population.mixture.mixing import HARDLY, Mixed, mixed, together
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
        eta, share: (N, S, D) and (N, S) the draws, and what each has of its patient's weight.
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
    eta: Floats
    share: Floats
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
    def effective(self) -> Floats:
        """(N,) how many draws it comes to."""
        return np.asarray(self.size * self.share.shape[1])

    @property
    def covariance(self) -> Floats:
        """(N, D, D) posterior covariances of eta."""
        return self.square - self.mean[:, :, None] * self.mean[:, None, :]


class _There(NamedTuple):
    """What draws are at a vector: the population, what is read, effects (N, S, D), and the plane of thin ones."""

    population: Population
    read: Read
    eta: Floats
    plane: Plane | None


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
        self.slopes = {at: self._slope(cohort.directions[at], self._step(at)) for at in self._pieces.shifted}
        self._bends: dict[int, Slopes] = {}
        omega, d = self.population.omega, len(self.population.omega)
        thin = () if cohort.site is not None else thin_of(omega, proposals.covariance[:, :d, :d])
        self._plane = Plane.of(self.population.omega, thin) if thin else None
        if self._plane is not None:
            self._u = self._plane.standard(self.eta)
            self._thin = [self._slope(np.eye(cohort.size)[one]) for one in thin]

    def _step(self, at: int) -> float:
        """Displacement of a typical value without an effect of its own."""
        return float(H * max(1.0, abs(self.vector[at])))

    def _slope(self, direction: Floats, step: float = H) -> Slopes:
        """How what is read moves with z in a direction (M,), as does a typical value without an effect of its own."""
        up, down = self._beside(direction, step)
        return up.slopes(down, 2.0 * step)

    def _beside(self, direction: Floats, step: float) -> tuple[Read, Read]:
        """What is read a step of z in a direction (M,) away, on either side."""
        moved, place = step * direction, self.population.place
        return self.density.read(self._z + moved, place), self.density.read(self._z - moved, place)

    def bent(self) -> Sample:
        """The same draws, whose predictions move along curves with typical values that have no effect of their own:
        what a straight line leaves of the curvature of the likelihood is not its own where values lie far from what a
        draw foresees, as those of a patient do in a class that it may not be of."""
        found = copy.copy(self)
        found._bends = {}
        for at in self.slopes:
            step = self._step(at)
            found._bends[at] = self._read.bend(*self._beside(self.density.cohort.directions[at], step), step)
        return found

    def _moved(self, read: Read, at: int, by: float, further: float) -> Read:
        """What is read where a typical value without an effect is ``by`` away, moved ``further``."""
        read = read.moved(self.slopes[at], further)
        bend = self._bends.get(at)
        return read if bend is None else read.moved(bend, further * (by + 0.5 * further))

    def likelihood(self, vector: Floats, *, score: bool = True, paired: bool = False) -> Likelihood:
        """At a vector near to where it was drawn."""
        there = self._there(vector)
        population, eta = there.population, there.eta
        terms = self.density.of(there.read, population.errors) + self._log_prior(there) - self._log_q
        if (site := self.density.cohort.site) is not None:
            return self._of_sites(vector, there, terms, site, score=score, paired=paired)
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
            eta,
            share,
            self.theta.penalty(vector),
        )
        if score:
            found = replace(found, score=self._score(vector, there, share, mean, square))
        if self.density.cohort.classes == 1:
            return found
        return self._whatever_class(found, population.shares, mixed(found.log, population.shares))

    def _of_sites(
        self, vector: Floats, there: _There, terms: Floats, site: Integers, *, score: bool, paired: bool
    ) -> Likelihood:
        """The same where sites differ."""
        population, eta, cohort = there.population, there.eta, self.density.cohort
        precision = population.prior(cohort.parts)[1]
        joint = integrated(terms, eta, precision, cohort.above, population, site)
        mean, square = moments(eta, joint.share)
        members = Likelihood(
            joint.log,
            _pair_error(joint.share) if paired else np.full(len(joint.share), np.nan),
            1.0 / (joint.share.shape[1] * np.maximum((joint.share * joint.share).sum(axis=1), 1e-300)),
            np.empty((len(joint.share), 0)),
            mean,
            square,
            eta,
            joint.share,
            self.theta.penalty(vector),
            site=site,
        )
        if score:
            of_members = self._score(vector, there, joint.share, joint.away, joint.square)
            members = replace(members, score=of_members)
        whole = Mixed(joint.log, joint.posterior)
        found = members if cohort.classes == 1 else self._whatever_class(members, population.shares, whole)
        if not score:
            return found
        precision, first = population.precision("isv"), first_of(site)
        for at, change in self.theta.omega_slopes(vector, "isv").items():
            moved = precision @ change @ precision
            of_site = 0.5 * (np.einsum("sij,ij->s", joint.of_sites, moved) - float((precision * change).sum()))
            found.score[first, at] += of_site
        return found

    def _whatever_class(self, members: Likelihood, shares: Floats, found: Mixed) -> Likelihood:
        """The likelihood of members as that of patients; draws of other classes err on their own."""
        score = together(members.score, found.posterior)
        if score.shape[1]:
            score[:, self.theta.shares] = (found.posterior - shares)[:, : len(self.theta.shares)]
        error = np.sqrt(together(members.error**2, found.posterior**2))
        size = np.where(found.posterior.reshape(-1) < HARDLY, 1.0, members.size)
        return replace(members, log=found.log, score=score, error=error, size=size, posterior=found.posterior)

    def without_prior(self) -> Floats:
        """(N, S) log p(values | draw) + log p(all effects but eta) - log q where it was drawn."""
        population, parts = self.population, self.density.cohort.parts
        found = self.density.of(self._read, population.errors) - self._log_q
        for level in ("iov", "drift", "widens"):
            for part in parts[level]:
                effects = self.eta[:, :, part]
                along = np.einsum("nsi,ij,nsj->ns", effects, population.precision(level), effects)
                found -= 0.5 * (along + population.log_det(level) + effects.shape[2] * LOG_2PI)
        return np.asarray(found)

    def _there(self, vector: Floats) -> _There:
        """The draws at a vector: their effects held in place, but for thin ones, which go along."""
        population, read = self.theta.unpack(vector), self._read
        for at in self.slopes:
            by = float(vector[at] - self.vector[at])
            if by:
                read = self._moved(read, at, 0.0, by)
        eta = self.eta - self._pieces.effect_shift(vector - self.vector)
        if self._plane is None:
            return _There(population, read, eta, None)
        plane = Plane.of(population.omega, self._plane.thin)
        placed = plane.placed(eta, self._u)
        for one, along in zip(plane.thin, self._thin, strict=True):
            read = self.density.moved(read, along, placed[:, :, one] - eta[:, :, one])
        return _There(population, read, placed, plane)

    def _log_prior(self, there: _There) -> Floats:
        """log p(effects) (N, S), of thin ones that of what is held, in units of what they were where it was drawn."""
        eta, plane = there.eta, there.plane
        _, precision, log_det = there.population.prior(self.density.cohort.parts)
        log = np.zeros(eta.shape[:2])
        if plane is not None and self._plane is not None:
            d = len(there.population.omega)
            log += plane.log_prior(eta, self._u) - float(np.log(np.diag(self._plane.own)).sum())
            eta, precision, log_det = eta[:, :, d:], precision[d:, d:], log_det - there.population.log_det("omega")
        square = np.einsum("nsd,nsd->ns", eta @ precision, eta)
        return np.asarray(log - 0.5 * (square + log_det + eta.shape[2] * LOG_2PI))

    def _pull(self, there: _There, share: Floats) -> Pull | None:
        """How values pull at thin effects."""
        if there.plane is None:
            return None
        read, errors, slopes = there.read, there.population.errors, []
        for along in self._thin:
            up, down = (read.moved(along, side * STEP) for side in (1.0, -1.0))
            slopes.append(self.density.change(up, down, errors, errors) / (2.0 * STEP))
        return Pull.of(there.plane, share, slopes, there.eta, self._u)

    def _score(self, vector: Floats, there: _There, share: Floats, mean: Floats, square: Floats) -> Floats:
        """Of draws with shares (N, S); ``mean`` (N, D) and ``square`` (N, D, D) are those of what the prior is of."""
        population, read = there.population, there.read
        score = np.zeros((len(share), self.theta.size))
        _, precision, _ = population.prior(self.density.cohort.parts)
        pull, d = self._pull(there, share), len(population.omega)
        for at in self._pieces.placed:
            direction = self._pieces.directions[at]
            if pull is not None and direction[:d].any():
                score[:, at] = pull.by_mean(mean, direction)
            else:
                score[:, at] = mean @ precision @ direction
        for at in self.slopes:
            by = float(vector[at] - self.vector[at])
            up, down = (self._moved(read, at, by, side * STEP) for side in (1.0, -1.0))
            score[:, at] = _weighed(share, self.density.change(up, down, population.errors, population.errors))
        for at in self.theta.scatter:
            larger, less = (self.theta.moved_errors(population.errors, at, side * STEP) for side in (1.0, -1.0))
            score[:, at] = _weighed(share, self.density.change(read, read, larger, less))
        self._omega_score(score, vector, population, square, pull)
        return score

    def _omega_score(
        self, score: Floats, vector: Floats, population: Population, square: Floats, pull: Pull | None
    ) -> None:
        for level, parts in self.density.cohort.parts.items():
            for at, change in self.theta.omega_slopes(vector, level).items():
                if pull is not None and level == "omega":
                    score[:, at] += pull.by_omega(square, change)
                    continue
                precision = population.precision(level)
                moved = precision @ change @ precision
                trace = float((precision * change).sum())
                for part in parts:
                    score[:, at] += 0.5 * (np.einsum("nij,ij->n", square[:, part, part], moved) - trace)


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
