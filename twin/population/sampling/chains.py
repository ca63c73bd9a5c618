"""Draws of every patient's effects that walk, with the posterior as where they stay: Metropolis within Gibbs.

A sweep makes of each chain's effects

1. a step of a random walk, in the directions of what is believed of the patient, all effects at once or, where there
   are occasions or a drift, those of the patient and of one occasion, or step, after another; its length is tuned to
   `WANTED`;
2. several independent proposals, one after another, from what is believed: multivariate t around the conditional mode,
   with the covariance that Laplace's method gives it there, or, one in `SELDOM`, from the population (Karimi, Lavielle
   & Moulines 2020, Comput Stat Data Anal 141:123). Of a mixture they are made in every class, and the class is drawn
   with the effects (`twin.population.sampling.classes`).

Independent proposals do not depend on where a chain is, so those of all chains of a patient are solved in one call.
Each patient has a stream of random numbers of its own, by its id and the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.population.cohort import Cohort
from twin.population.importance.density import Read
from twin.population.importance.draws import DF, Proposals
from twin.population.laplace.mixed_sites.objective import MixedSiteObjective
from twin.population.laplace.site_objective import SiteObjective
from twin.population.means.means import Means
from twin.population.modes.curvatures import inverse_of
from twin.population.modes.descent import descend, scattered
from twin.population.objective import Objective
from twin.population.sampling.classes import Classes
from twin.population.sampling.target import Target
from twin.randomness import generator

SELDOM = 8
"""One in so many independent proposals is a draw from the population."""

WANTED = 0.35
"""Share of steps of the walk that should be taken."""

TUNING = 0.6
"""Power of the sweep's number that tuning slows down by."""


@dataclass(frozen=True)
class Believed:
    """What is believed of everybody, for proposals.

    Attributes:
        individual: (N, D) where proposals lie around: effects and means (`twin.population.means.means`) together.
        around: the same as effects at the vector where the modes were found, with factors of covariances.
        steps: of each block of effects its columns, with factors (N, B, B) of the walk's steps.
        eta: (N, D) the modes.
    """

    individual: Floats
    around: Proposals
    steps: tuple[tuple[slice, Floats], ...]
    eta: Floats


class Sweep(NamedTuple):
    """What chains visited.

    Attributes:
        eta: (N, P, D) points, in groups of equally many of each chain.
        away: the same without the effects of sites.
        share: (N, P) of a patient's visits that a point has; of each chain they sum to 1 / C, of a mixture over all
            classes.
        read: what the likelihood reads there.
        log_values, log_prior: (N, P) of values, and of effects with the class.
        accepted: share of independent proposals, and of steps, that were taken.
    """

    eta: Floats
    away: Floats
    share: Floats
    read: Read
    log_values: Floats
    log_prior: Floats
    accepted: tuple[float, float]


def believed(objective: Objective, means: Means, vector: Floats, eta: Floats | None = None) -> Believed:
    """What Laplace's method believes of everybody at a vector (K,).

    Args:
        eta: (N, D) where modes were; without it they are searched from everywhere.
    """
    cohort = objective.cohort
    population = cohort.theta.unpack(vector)
    covariance, precision, _ = population.prior(cohort.parts)
    if isinstance(objective, SiteObjective | MixedSiteObjective):
        here = objective(vector) if eta is None else objective.near(vector, eta)
        return _around(cohort, means, vector, Proposals.around(here.eta, here.covariance, covariance))
    point, everybody = objective.point(population, precision), np.arange(len(cohort), dtype=np.int64)
    if cohort.effects and eta is None:
        starts = scattered(covariance, cohort.axes)
        which = np.repeat(everybody, len(starts))
        eta = descend(point.looks, precision, which, np.tile(starts, (len(cohort), 1))).eta
    elif eta is not None:
        eta = descend(point.looks, precision, everybody, eta).eta
    else:
        eta = np.zeros((len(cohort), 0))
    spread = inverse_of(point.looks(everybody, eta).information)
    return _around(cohort, means, vector, Proposals.around(eta, spread, covariance))


def _around(cohort: Cohort, means: Means, vector: Floats, around: Proposals) -> Believed:
    covariances = around.factor @ around.factor.swapaxes(1, 2)
    steps = tuple((block, _given_the_rest(covariances, block)) for block in _blocks(cohort))
    return Believed(around.mean + means.at(vector), around, steps, around.mean)


class Chains:
    """Chains of everybody.

    Attributes:
        eta: (N, C, D) where they are; ``log_values`` (N, C) log p(values | effects) there, as of the last sweep.
        tries: independent proposals of each chain in a sweep, and of each class.
        classes: of a mixture which class each patient is of in each chain; members of other classes lie idle.
    """

    def __init__(
        self, cohort: Cohort, means: Means, eta: Floats, tries: int, seed: int, classes: Classes | None = None
    ) -> None:
        self.eta, self.tries, self.classes = eta.copy(), tries, classes
        self.log_values = np.full(eta.shape[:2], np.nan)
        self._means = means
        self._streams = [generator(subject.key, seed, "chains") for subject in cohort.subjects]
        blocks = _blocks(cohort)
        sizes = np.array([2.38 / np.sqrt(max(1, block.stop - block.start)) for block in blocks])
        self._length = np.repeat(sizes[None], len(cohort), axis=0)
        self._sweeps = 0

    def sweep(self, target: Target, believed: Believed, *, tune: bool = True) -> Sweep:
        """One sweep under the populations of a target, one for all chains or one for each."""
        taken = self._walk(target, believed, tune)
        found, accepted = self._tried(target, believed)
        self._sweeps += 1
        return found._replace(accepted=(accepted, taken))

    def hold(self, before: Floats, after: Floats) -> None:
        """Keep individuals where they are while the vectors (G, K) of their populations move."""
        moved = [self._means.at(a) - self._means.at(b) for a, b in zip(before, after, strict=True)]
        count = self.eta.shape[1] // len(moved)
        self.eta += np.repeat(np.stack(moved, axis=1) * self._means.active[:, None], count, axis=1)

    def summed(self, of_members: Floats) -> Floats:
        """What everybody has together in each chain (C,), of members (N, C); those that lie idle count nothing."""
        return np.asarray(np.where(self.here, of_members, 0.0).sum(axis=0))

    @property
    def here(self) -> NDArray[np.bool_]:
        """(N, C) who does not lie idle."""
        return np.ones(self.eta.shape[:2], dtype=np.bool_) if self.classes is None else self.classes.here

    def draw_unmet(self, target: Target) -> None:
        """Effects that no datum has met, anew from their prior: something was drawn as if they were not there."""
        if self._means.active.all():
            return
        standard = np.stack([rng.standard_normal(self.eta.shape[1:]) for rng in self._streams])
        self.eta = np.where(self._means.active[:, None], self.eta, target.from_prior(standard))

    def _walk(self, target: Target, believed: Believed, tune: bool) -> float:
        chains, shares = self.eta.shape[1], []
        log_here: Floats | None = None
        for number, (block, factor) in enumerate(believed.steps):
            width = block.stop - block.start
            steps = np.stack([rng.standard_normal((chains, width)) for rng in self._streams])
            limits = np.log(np.stack([rng.random(chains) for rng in self._streams]))
            there = self.eta.copy()
            moved = np.einsum("nij,ncj->nci", factor, steps)
            there[:, :, block] += self._length[:, number, None, None] * moved
            if log_here is None:
                both = target_log(target, _woven(self.eta, there))
                log_here, log_there = both[:, 0::2], both[:, 1::2]
            else:
                log_there = target_log(target, there)
            with np.errstate(invalid="ignore"):
                taken = log_there - log_here > limits
            self.eta = np.where(taken[:, :, None], there, self.eta)
            log_here = np.where(taken, log_there, log_here)
            if tune:
                gain = (1.0 + self._sweeps) ** -TUNING
                self._length[:, number] *= np.exp(gain * (taken.mean(axis=1) - WANTED))
            shares.append(float(taken.mean()) if taken.size else 0.0)
        return float(np.mean(shares)) if shares else 0.0

    def _tried(self, target: Target, believed: Believed) -> tuple[Sweep, float]:
        count, chains, d = self.eta.shape
        each = self.tries + (self.classes is not None)
        tries = chains * each
        standard = np.stack([rng.standard_normal((tries, d)) for rng in self._streams])
        tails = np.sqrt(np.stack([rng.chisquare(DF, tries) for rng in self._streams]) / DF)
        chance = np.stack([rng.random((2, tries)) for rng in self._streams])
        means = self._around(target, believed, tries)
        drawn = means + np.einsum("nij,npj->npi", believed.around.factor, standard / tails[:, :, None])
        drawn = np.where((chance[:, 0] < 1.0 / SELDOM)[:, :, None], target.from_prior(standard), drawn)
        # Of each chain: where it is, then what is proposed.
        points = drawn.reshape(count, chains, each, d)
        if self.classes is None:
            points = np.concatenate([self.eta[:, :, None], points], axis=2)
        else:
            points[:, :, 0] = np.where(self.classes.here[:, :, None], self.eta, points[:, :, 0])
        eta = points.reshape(count, -1, d)
        read = target.read(eta)
        log_values, log_prior = target.log_values(read), target.log_prior(eta)
        log_q = self._log_proposed(target, believed, eta, log_prior)
        if self.classes is not None:
            log_prior = log_prior + target.log_shares(eta.shape[1])
        weight = (log_values + log_prior - log_q).reshape(count, chains, -1)
        limits = chance[:, 1].reshape(count, chains, each)
        share, last, taken = self._gone(weight, limits)
        self.eta = np.take_along_axis(points, last[:, :, None, None], axis=2)[:, :, 0]
        self.log_values = np.take_along_axis(log_values.reshape(count, chains, -1), last[:, :, None], axis=2)[:, :, 0]
        found = Sweep(eta, target.away(eta), share.reshape(count, -1), read, log_values, log_prior, (0.0, 0.0))
        return found, float(taken)

    def _gone(self, weight: Floats, chance: Floats) -> tuple[Floats, Integers, float]:
        """Of log weights (N, C, points) shares of visits, where each chain ends (N, C), and the share taken."""
        if self.classes is None:
            share, last, taken = _visited(weight, np.log(chance))
            return share, last, taken
        members = len(weight) // len(self.classes.of)
        return self.classes.drawn(weight, chance[::members, :, 0])

    def _around(self, target: Target, believed: Believed, tries: int) -> Floats:
        """Means of proposals (N, tries or 1, D), as effects under the population of each chain."""
        at = np.stack([believed.individual - self._means.at(vector) for vector in target.vectors], axis=1)
        return at if at.shape[1] == 1 else np.repeat(at, tries // at.shape[1], axis=1)

    def _log_proposed(self, target: Target, believed: Believed, eta: Floats, log_prior: Floats) -> Floats:
        at = np.stack([believed.individual - self._means.at(vector) for vector in target.vectors], axis=1)
        away = eta - np.repeat(at, eta.shape[1] // at.shape[1], axis=1)
        standard = np.einsum("nij,npj->npi", np.linalg.inv(believed.around.factor), away)
        often = believed.around.log_density(standard) + np.log(1.0 - 1.0 / SELDOM)
        return np.asarray(np.logaddexp(often, log_prior - np.log(SELDOM)))


def target_log(target: Target, eta: Floats) -> Floats:
    """log p(values, effects) (N, P)."""
    return target.log_values(target.read(eta)) + target.log_prior(eta)


def _woven(one: Floats, other: Floats) -> Floats:
    """(N, 2 C, D), those of one chain beside one another."""
    count, chains, d = one.shape
    return np.stack([one, other], axis=2).reshape(count, 2 * chains, d)


def _blocks(cohort: Cohort) -> tuple[slice, ...]:
    """Columns of effects that a walk moves at once."""
    return tuple(part for parts in cohort.parts.values() for part in parts)


def _given_the_rest(covariance: Floats, block: slice) -> Floats:
    """Factors (N, B, B) of the covariance of a block where the rest stands still."""
    if block.stop - block.start == covariance.shape[1]:
        return np.asarray(np.linalg.cholesky(covariance))
    precision = np.linalg.inv(covariance)[:, block, block]
    return np.asarray(np.linalg.cholesky(np.linalg.inv(precision)))


@compiled
def _visited(weight, limits):  # type: ignore[no-untyped-def]
    """Of weights (N, C, 1 + S): shares of visits (N, C, 1 + S), where each chain ends (N, C), and the share taken."""
    count, chains, points = weight.shape
    share, last = np.zeros((count, chains, points)), np.zeros((count, chains), dtype=np.int64)
    each, taken = 1.0 / (chains * (points - 1)), 0
    for n in range(count):
        for c in range(chains):
            at = 0
            for s in range(1, points):
                here, there = weight[n, c, at], weight[n, c, s]
                if there - here > limits[n, c, s - 1] or (here == -np.inf and there > -np.inf):
                    at = s
                    taken += 1
                share[n, c, at] += each
            last[n, c] = at
    return share, last, taken / (count * chains * (points - 1))
