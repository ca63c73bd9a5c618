"""Sequential Bayes: what one measured value does to a belief.

    weigh      w_i <- w_i p(y | eta_i)
    if ESS < N/2:
        temper     find the largest step in p(y | eta)^phi that keeps ESS at N/4
        resample   systematically, by those weights
        move       every particle by Metropolis steps whose target is the exact posterior given the whole history
        until phi = 1

(resample-move, Gilks & Berzuini 2001; iterated batch importance sampling, Chopin 2002; tempering, Del Moral et al.
2006.) Moves alternate an independence proposal, a Student-t fitted to the weighted cloud, with differential-evolution
steps (ter Braak 2006) of one half of the cloud along differences within the other half, and go on until the average
particle has moved `MOVES` times. Every proposal is weighed by solving its whole history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twin.belief import Belief, effective_size, generator, log_prior, normalised, storable
from twin.kernel import Floats
from twin.models import Model

ESS_FLOOR = 0.5
"""Fraction of N below which the cloud is resampled and moved."""

STAGE_FLOOR = 0.25
"""Fraction of N that a tempering stage leaves: most data need no tempering, only moves."""

MOVES = 2.0
"""Accepted moves per particle, on average, after each resampling."""

MOST_SWEEPS = 24
"""Sweeps after which moving stops, whatever the acceptance."""

MOST_STAGES = 16
"""Tempering stages after which the rest of a datum is taken at once."""

PROPOSAL_DF = 5.0
"""Degrees of freedom of the independence proposal: tails heavier than the posterior's."""

SPREAD = 1.1
"""Widening of the independence proposal's scale over the cloud's."""


class Weigher(Protocol):
    """Solves the whole history for eta (N, d) and weighs it: see `Weighed`."""

    def __call__(self, eta: Floats) -> Weighed: ...


@dataclass
class Weighed:
    """Particles eta (N, d) with log-likelihoods (N,) of all earlier data, and of the datum being assimilated."""

    eta: Floats
    past: Floats
    last: Floats


@dataclass(frozen=True)
class Diagnostics:
    """What one assimilation took: tempering stages, sweeps, accepted moves per particle, ESS before any move."""

    stages: int
    sweeps: int
    moved: float
    ess_before: float


def assimilate(
    model: Model, belief: Belief, weighed: Weighed, weigher: Weigher, key: tuple[object, ...]
) -> tuple[Belief, Weighed, Diagnostics]:
    """Bayes' rule for one datum.

    Args:
        belief: before the datum.
        weighed: the belief's particles with likelihoods of the past and of the datum.
        weigher: solves new particles.
        key: names the randomness, e.g. (patient_id, event_id).

    Returns:
        The belief after the datum, its particles' likelihoods, and diagnostics.
    """
    log_weight, increment = normalised(belief.log_weight + weighed.last)
    ess = effective_size(log_weight)
    size = len(log_weight)
    if np.isfinite(increment) and ess >= ESS_FLOOR * size:
        done = Belief(belief.eta, log_weight, belief.log_evidence + increment, belief.observations + 1)
        return done, weighed, Diagnostics(0, 0, 0.0, ess)
    stages, sweeps, moved, evidence = 0, 0, 0.0, belief.log_evidence
    start, phi, cloud = belief.log_weight, 0.0, weighed
    while phi < 1.0:
        step = _largest_step(start, cloud.last, phi) if stages + 1 < MOST_STAGES else 1.0
        log_weight, increment = normalised(start + (step - phi) * cloud.last)
        evidence += increment
        phi = step
        stages += 1
        rng = generator(*key, "move", stages)
        proposal = _fitted(cloud.eta, np.exp(log_weight))
        chosen = systematic(np.exp(log_weight), float(rng.random()))
        cloud = Weighed(cloud.eta[chosen], cloud.past[chosen], cloud.last[chosen])
        cloud, taken, accepted = _move(model, cloud, weigher, proposal, phi, rng)
        sweeps += taken
        moved += accepted
        start = np.full(size, -np.log(size))
    done = Belief(cloud.eta, start, evidence, belief.observations + 1)
    return done, cloud, Diagnostics(stages, sweeps, moved, ess)


def systematic(weight: Floats, offset: float) -> NDArray[np.int64]:
    """Systematic resampling: N ancestors at the strata (i + offset)/N of the cumulative weights (Kitagawa 1996)."""
    size = len(weight)
    cumulative = np.cumsum(weight)
    return np.minimum(np.searchsorted(cumulative / cumulative[-1], (np.arange(size) + offset) / size), size - 1)


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


@dataclass(frozen=True)
class _StudentT:
    """An independence proposal: location (d,), lower factor (d, d) of its scale matrix."""

    centre: Floats
    factor: Floats

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        normal = rng.standard_normal((count, len(self.centre)))
        stretch = np.sqrt(PROPOSAL_DF / rng.chisquare(PROPOSAL_DF, count))
        return storable(self.centre + (normal * stretch[:, None]) @ self.factor.T)

    def log_density(self, eta: Floats) -> Floats:
        white = np.linalg.solve(self.factor, (eta - self.centre).T)
        dimension = len(self.centre)
        return np.asarray(-0.5 * (PROPOSAL_DF + dimension) * np.log1p((white * white).sum(axis=0) / PROPOSAL_DF))


def _fitted(eta: Floats, weight: Floats) -> _StudentT:
    centre = weight @ eta
    apart = eta - centre
    covariance = (apart * weight[:, None]).T @ apart
    # A few effective particles can make a flat cloud; a little of the diagonal keeps the factor alive.
    ridge = 1e-9 + 1e-4 * np.diag(covariance).mean()
    return _StudentT(centre, SPREAD * np.linalg.cholesky(covariance + ridge * np.eye(len(centre))))


def _move(
    model: Model, cloud: Weighed, weigher: Weigher, proposal: _StudentT, phi: float, rng: np.random.Generator
) -> tuple[Weighed, int, float]:
    """Metropolis sweeps on prior * past * last^phi until the average particle has moved `MOVES` times."""
    target = _target(model, phi)
    moved, sweeps = 0.0, 0
    current = target(cloud)
    while moved < MOVES and sweeps < MOST_SWEEPS:
        if sweeps % 2 == 0:
            proposed = weigher(proposal.draw(rng, len(cloud.eta)))
            correction = proposal.log_density(cloud.eta) - proposal.log_density(proposed.eta)
            accept = np.log(rng.random(len(current))) < target(proposed) - current + correction
            cloud, current = _accepted(cloud, proposed, accept), np.where(accept, target(proposed), current)
            moved += float(accept.mean())
        else:
            half = len(cloud.eta) // 2
            for movers, standing in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
                proposed = weigher(_evolved(cloud.eta[movers], cloud.eta[standing], rng))
                candidate = target(proposed)
                accept = np.log(rng.random(len(candidate))) < candidate - current[movers]
                part = Weighed(cloud.eta[movers], cloud.past[movers], cloud.last[movers])
                _put(cloud, movers, _accepted(part, proposed, accept))
                current[movers] = np.where(accept, candidate, current[movers])
                moved += float(accept.sum()) / len(current)
        sweeps += 1
    return cloud, sweeps, moved


def _accepted(cloud: Weighed, proposed: Weighed, accept: NDArray[np.bool_]) -> Weighed:
    return Weighed(
        np.where(accept[:, None], proposed.eta, cloud.eta),
        np.where(accept, proposed.past, cloud.past),
        np.where(accept, proposed.last, cloud.last),
    )


def _put(cloud: Weighed, place: slice, part: Weighed) -> None:
    cloud.eta[place], cloud.past[place], cloud.last[place] = part.eta, part.past, part.last


def _target(model: Model, phi: float) -> Callable[[Weighed], Floats]:
    def log_target(cloud: Weighed) -> Floats:
        value = log_prior(model, cloud.eta) + cloud.past + phi * cloud.last
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
