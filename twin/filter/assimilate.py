"""Sequential Bayes: what one measured value does to a belief.

    weigh        w_i <- w_i p(y | eta_i)
    if ESS < N/2:
        temper   find the largest step in p(y | eta)^phi that keeps ESS at N/4
        draw     anew from a mixture q fitted to the cloud, and weigh by  prior p(past | eta) p(y | eta)^phi / q(eta)
        until phi = 1

Particles drawn anew are weighed by solving their whole history, so they stand for the exact posterior whatever came
before (iterated importance sampling, Cappe et al. 2004; with tempering as in Del Moral et al. 2006), and the mean of
their weights is the evidence of all data at once. Draws fill the mixture evenly (see `twin.filter.mixture`), which for
smooth posteriors leaves a fraction of the error of chance.

Where a few draws carry too much of the weight, q is fitted to them and drawn from again. Where that does not help,
since there are too many dimensions or a bend that no mixture follows, the cloud is resampled and moved instead by
Metropolis steps with the same target (resample-move, Gilks & Berzuini 2001; Chopin 2002): independence proposals from
q in turn with differential evolution (ter Braak 2006) of one half of the cloud along differences within the other half,
until the average particle has moved `MOVES` times.

A drift has an increment per parameter and step, more than any mixture follows, and each is little known: those
particles are moved at once. Their turns also renew the newest increments, as many as chance says, by preconditioned
Crank-Nicolson steps (Cotter et al. 2013), which leave the prior as it is:

    x' = sqrt(1 - b^2) x + b xi,      xi ~ prior,      accepted by the likelihoods alone.

What a particle carries along (see `twin.solver.effects`) is resampled with it and never moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, storable
from twin.filter.belief import Belief, effective_size, normalised
from twin.filter.mixture import Mixture, fitted, log_sum
from twin.randomness import generator
from twin.solver.effects import Law

ESS_FLOOR = 0.5
"""Fraction of N below which the cloud is renewed."""

STAGE_FLOOR = 0.25
"""Fraction of N that a tempering stage leaves: most data need no tempering, only a renewal."""

ENOUGH = 1.0
"""Fraction of N that the ESS of all particles drawn anew has to reach for N of them to stand for the posterior; takes
two draws where the mixture fits well."""

ENOUGH_BETWEEN = 0.4
"""The same for a tempering stage before the last."""

LARGEST = 6.0
"""No particle may weigh more than so many: one that does shows a tail that the cloud hardly reaches."""

ROUNDS = 6
"""Draws after which drawing anew is given up."""

FLATTENED = 0.75
"""Power of a weight with which a particle is kept where there are more than are needed."""

HOPELESS = 0.02
"""Fraction of N that the ESS of a draw has to reach for another to be tried."""

MOVES = 3.0
"""Accepted moves per particle, on average, after each resampling."""

MOST_SWEEPS = 24
"""Sweeps after which moving stops, whatever the acceptance."""

DRAWN_AT_MOST = 24
"""Free effects beyond which drawing anew is not tried."""

RENEWALS = (0.2, 0.5, 1.0)
"""Sizes b of Crank-Nicolson steps, each for a third of the particles."""

MOST_STAGES = 16
"""Tempering stages after which the rest of a datum is taken at once."""


class Weigher(Protocol):
    """Solves the history for eta (N, K) and weighs it: see `Weighed`."""

    def __call__(self, eta: Floats) -> Weighed: ...


@dataclass
class Weighed:
    """Particles eta (N, K) with log-likelihoods (N,) of all earlier data, and of the datum being assimilated.

    The first columns of eta are free, as many as the prior's law has; data before what a particle carries are left out.
    """

    eta: Floats
    past: Floats
    last: Floats

    def take(self, index: NDArray[np.int64]) -> Weighed:
        """The particles at ``index``."""
        return Weighed(self.eta[index], self.past[index], self.last[index])


Target = Callable[[Weighed], Floats]


@dataclass(frozen=True)
class Diagnostics:
    """What one assimilation took: tempering stages, draws from mixtures, Metropolis sweeps, accepted moves per
    particle, and the ESS before any of it."""

    stages: int
    draws: int
    sweeps: int
    moved: float
    ess_before: float


@dataclass(frozen=True)
class _Stage:
    """A weighted cloud that stands for prior * past * last^phi, with the log of what that integrates to."""

    cloud: Weighed
    log_weight: Floats
    log_evidence: float
    draws: int = 0
    sweeps: int = 0
    moved: float = 0.0

    @property
    def ess(self) -> float:
        return effective_size(self.log_weight)


def assimilate(
    law: Law, belief: Belief, weighed: Weighed, weigher: Weigher, key: tuple[object, ...]
) -> tuple[Belief, Weighed, Diagnostics]:
    """Bayes' rule for one datum.

    Args:
        law: the prior of the belief's free effects.
        belief: before the datum.
        weighed: the belief's particles with likelihoods of the past and of the datum.
        weigher: solves new particles.
        key: names the randomness, e.g. (patient_id, event_id).

    Returns:
        The belief after the datum, its particles' likelihoods, and diagnostics.
    """
    log_weight, increment = normalised(belief.log_weight + weighed.last)
    ess, size = effective_size(log_weight), len(log_weight)
    if np.isfinite(increment) and ess >= ESS_FLOOR * size and float(log_weight.max()) <= math.log(LARGEST / size):
        evidence = belief.log_evidence + increment
        done = replace(belief, log_weight=log_weight, log_evidence=evidence, observations=belief.observations + 1)
        return done, weighed, Diagnostics(0, 0, 0, 0.0, ess)
    stage = _Stage(weighed, belief.log_weight, belief.log_evidence)
    phi = 0.0
    taken: list[_Stage] = []
    while phi < 1.0:
        step = _largest_step(stage.log_weight, stage.cloud.last, phi) if len(taken) + 1 < MOST_STAGES else 1.0
        log_weight, increment = normalised(stage.log_weight + (step - phi) * stage.cloud.last)
        phi = step
        rng = generator(*key, "renew", len(taken) + 1)
        stage = _renewed(law, _Stage(stage.cloud, log_weight, stage.log_evidence + increment), weigher, phi, rng)
        taken.append(stage)
    done = replace(
        belief,
        eta=stage.cloud.eta,
        log_weight=stage.log_weight,
        log_evidence=stage.log_evidence,
        observations=belief.observations + 1,
    )
    draws, sweeps, moved = sum(t.draws for t in taken), sum(t.sweeps for t in taken), sum(t.moved for t in taken)
    return done, stage.cloud, Diagnostics(len(taken), draws, sweeps, moved, ess)


def _renewed(law: Law, stage: _Stage, weigher: Weigher, phi: float, rng: np.random.Generator) -> _Stage:
    """The stage with new particles: drawn from mixtures fitted to it, or moved where drawing fails."""
    target, size, best = _target(law, phi), len(stage.log_weight), stage
    if law.size <= DRAWN_AT_MOST and not law.carried:
        best, enough = _drawn(law, stage, weigher, target, ENOUGH if phi == 1.0 else ENOUGH_BETWEEN, rng)
        if enough:
            return best
    weight, core = np.exp(best.log_weight), slice(law.core)
    proposal = fitted(best.cloud.eta[:, core], weight, law.covariance[core, core], rng) if law.core else None
    cloud = best.cloud.take(systematic(weight, size, float(rng.random())))
    cloud, sweeps, moved = _move(law, target, cloud, weigher, proposal, rng)
    return _Stage(cloud, np.full(size, -np.log(size)), best.log_evidence, best.draws, sweeps, moved)


def _drawn(
    law: Law, stage: _Stage, weigher: Weigher, target: Target, enough: float, rng: np.random.Generator
) -> tuple[_Stage, bool]:
    """The best cloud drawn anew, and whether its ESS is ``enough`` (a fraction of N)."""
    size = len(stage.log_weight)
    best, pool, proposals = stage, None, list[Mixture]()
    for draws in range(1, ROUNDS + 1):
        proposals.append(fitted(best.cloud.eta, np.exp(best.log_weight), law.covariance, rng))
        drawn = weigher(storable(proposals[-1].draw(rng, size)))
        pool = drawn if pool is None else _joined(pool, drawn)
        # All draws so far are one sample of the mean of all proposals (Owen & Zhou 2000).
        density = log_sum(np.array([proposal.log_density(pool.eta) for proposal in proposals])) - math.log(draws)
        log_weight, total = normalised(target(pool) - density)
        kept, weight = thinned(log_weight, size, pool.eta, float(rng.random()))
        found = _Stage(pool.take(kept), weight, total - math.log(len(log_weight)) + law.constant, draws)
        ess = effective_size(log_weight)
        if np.isfinite(total) and ess >= enough * size and float(log_weight.max()) <= math.log(LARGEST / size):
            return found, True
        if np.isfinite(total) and (ess > best.ess or best is not stage):
            best = found
        if ess < HOPELESS * size:
            break
    return best, False


def systematic(weight: Floats, size: int, offset: float) -> NDArray[np.int64]:
    """Systematic resampling: ancestors at the strata (i + offset) / size of the cumulative weights (Kitagawa 1996)."""
    cumulative = np.cumsum(weight)
    strata = (np.arange(size) + offset) / size
    return np.minimum(np.searchsorted(cumulative / cumulative[-1], strata), len(weight) - 1)


def thinned(log_weight: Floats, size: int, eta: Floats, offset: float) -> tuple[NDArray[np.int64], Floats]:
    """Which ``size`` of more particles eta (M, d) to keep, and their log weights.

    A particle of weight w is kept with probability min(1, c w^`FLATTENED`) and then weighs w over that: distinct
    particles, no bias (after Fearnhead & Clifford 2003), and more of them than by weight where the cloud is thin, for a
    later datum may favour that. The sample is systematic along the axis in which the cloud is longest.
    """
    weight = np.exp(log_weight)
    if len(weight) <= size:
        return np.arange(len(weight)), log_weight
    # A weight too small for a number still has odds: else one particle that holds everything would leave none to draw.
    share = np.maximum(weight, np.finfo(np.float64).tiny) ** FLATTENED
    # The least c for which the probabilities add up: from the heaviest on, how many are kept for certain.
    ranked = np.sort(share)[::-1]
    lighter = np.cumsum(ranked[::-1])[::-1]
    certain = int(np.argmax(ranked * (size - np.arange(len(ranked))) <= lighter))
    odds = np.minimum(1.0, share * (size - certain) / lighter[certain])
    # Plain sums: long inner products are cut among threads, which shows in the last bits.
    apart = eta - (eta * weight[:, None]).sum(axis=0)
    _, axes = np.linalg.eigh(np.einsum("n,ni,nj->ij", weight, apart, apart))
    order = np.argsort((apart * axes[:, -1]).sum(axis=1), kind="stable")
    chosen = order[systematic(odds[order], size, offset)]
    return chosen, normalised(log_weight[chosen] - np.log(odds[chosen]))[0]


def _largest_step(log_weight: Floats, log_likelihood: Floats, phi: float) -> float:
    """Largest power up to 1 that keeps the ESS at `STAGE_FLOOR`, by bisection; the full step when it can."""
    floor = STAGE_FLOOR * len(log_weight)
    finite = np.maximum(log_likelihood, -1e300)

    def ess(power: float) -> float:
        return effective_size(normalised(log_weight + (power - phi) * finite)[0])

    if ess(1.0) >= floor:
        return 1.0
    low, high = phi, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if ess(middle) >= floor else (low, middle)
    # A weighted cloud may already sit at the floor: then move on by the smallest useful step.
    low = max(low, phi + 1e-6)
    return 1.0 if 1.0 - low < 1e-6 else low


def _move(
    law: Law, target: Target, cloud: Weighed, weigher: Weigher, proposal: Mixture | None, rng: np.random.Generator
) -> tuple[Weighed, int, float]:
    """Metropolis sweeps, each kind in turn, until the average particle has moved `MOVES` times."""
    moved, sweeps = 0.0, 0
    kinds: list[Callable[[], float]] = []
    current = target(cloud)

    def met(place: slice, proposed: Weighed, correction: Floats | float) -> float:
        """Accept by Metropolis' rule; accepted moves per particle of the whole cloud."""
        candidate = target(proposed)
        accept = np.log(rng.random(len(candidate))) < candidate - current[place] + correction
        part = Weighed(cloud.eta[place], cloud.past[place], cloud.last[place])
        _put(cloud, place, _accepted(part, proposed, accept))
        current[place] = np.where(accept, candidate, current[place])
        return float(accept.sum()) / len(current)

    def independence() -> float:
        assert proposal is not None
        eta = cloud.eta.copy()
        eta[:, : law.core] = storable(proposal.draw(rng, len(eta)))
        before, after = (proposal.log_density(rows[:, : law.core]) for rows in (cloud.eta, eta))
        return met(slice(None), weigher(eta), before - after)

    def evolution() -> float:
        half, accepted = len(cloud.eta) // 2, 0.0
        for movers, standing in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
            eta = cloud.eta[movers].copy()
            eta[:, : law.size] = _evolved(eta[:, : law.size], cloud.eta[standing, : law.size], rng)
            accepted += met(movers, weigher(eta), 0.0)
        return accepted

    def renewal() -> float:
        eta = _renewed_steps(law, cloud.eta, rng)
        # The step leaves the prior as it is, so that the prior must not count.
        return met(slice(None), weigher(eta), law.log_density(cloud.eta) - law.log_density(eta))

    kinds += [independence] if law.core else []
    kinds += [evolution] if law.size else []
    kinds += [renewal] if law.steps else []
    while kinds and moved < MOVES and sweeps < MOST_SWEEPS:
        moved += kinds[sweeps % len(kinds)]()
        sweeps += 1
    return cloud, sweeps, moved


def _renewed_steps(law: Law, eta: Floats, rng: np.random.Generator) -> Floats:
    """Crank-Nicolson proposals for the newest increments of eta (N, K): from a step on that each particle chooses."""
    count = len(eta)
    fresh = rng.standard_normal((count, law.size)) * law.sd
    size = np.array(RENEWALS)[rng.integers(len(RENEWALS), size=count)]
    first = rng.integers(len(law.steps), size=count)
    proposed = eta.copy()
    for number, step in enumerate(law.steps):
        b = np.where(number >= first, size, 0.0)[:, None]
        proposed[:, step] = storable(np.sqrt(1.0 - b * b) * eta[:, step] + b * fresh[:, step])
    return proposed


def _accepted(cloud: Weighed, proposed: Weighed, accept: NDArray[np.bool_]) -> Weighed:
    return Weighed(
        np.where(accept[:, None], proposed.eta, cloud.eta),
        np.where(accept, proposed.past, cloud.past),
        np.where(accept, proposed.last, cloud.last),
    )


def _put(cloud: Weighed, place: slice, part: Weighed) -> None:
    cloud.eta[place], cloud.past[place], cloud.last[place] = part.eta, part.past, part.last


def _joined(one: Weighed, other: Weighed) -> Weighed:
    return Weighed(
        np.concatenate([one.eta, other.eta]),
        np.concatenate([one.past, other.past]),
        np.concatenate([one.last, other.last]),
    )


def _target(law: Law, phi: float) -> Target:
    """log(prior * past * last^phi) of a cloud (N,), up to the law's constant."""

    def log_target(cloud: Weighed) -> Floats:
        value = law.log_density(cloud.eta) + cloud.past + phi * cloud.last
        return np.where(np.isnan(value), -np.inf, value)

    return log_target


def _evolved(movers: Floats, standing: Floats, rng: np.random.Generator) -> Floats:
    """Differential evolution: proposals for ``movers`` (M, d) along differences within the part that stands still."""
    count, dimension = movers.shape
    one = rng.integers(0, len(standing), count)
    two = (one + rng.integers(1, len(standing), count)) % len(standing)
    # gamma = 2.38 / sqrt(2 d) is optimal for a normal target; every tenth step jumps between modes (gamma = 1).
    gamma = np.where(rng.random(count) < 0.1, 1.0, 2.38 / np.sqrt(2 * dimension))
    jitter = 1e-4 * standing.std(axis=0) * rng.standard_normal((count, dimension))
    return storable(movers + gamma[:, None] * (standing[one] - standing[two]) + jitter)
