"""Particles moved by Metropolis steps, where no mixture follows the posterior.

Independence proposals from a mixture in turn with differential evolution (ter Braak 2006) of one half of the cloud
along differences within the other half, until the average particle has moved `MOVES` times. With a drift their turns
also renew the newest increments, as many as chance says, by preconditioned Crank-Nicolson steps (Cotter et al. 2013),
which leave the prior as it is:

    x' = sqrt(1 - b^2) x + b xi,      xi ~ prior,      accepted by the likelihoods alone.

The steps leave the posterior as it is, and so what particles weigh.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, storable
from twin.filter.mixture import Mixture
from twin.filter.stage import Target, Weighed, Weigher
from twin.solver.effects import Law

MOVES = 3.0
"""Accepted moves per particle, on average, after each resampling."""

MOST_SWEEPS = 24
"""Sweeps after which moving stops, whatever the acceptance."""

RENEWALS = (0.2, 0.5, 1.0)
"""Sizes b of Crank-Nicolson steps, each for a third of the particles."""


def moved(
    law: Law, target: Target, cloud: Weighed, weigher: Weigher, proposal: Mixture | None, rng: np.random.Generator
) -> tuple[Weighed, int, float]:
    """The cloud after sweeps of each kind in turn, which it is overwritten with; how many, and moves per particle."""
    accepted, sweeps = 0.0, 0
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
    while kinds and accepted < MOVES and sweeps < MOST_SWEEPS:
        accepted += kinds[sweeps % len(kinds)]()
        sweeps += 1
    return cloud, sweeps, accepted


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


def _evolved(movers: Floats, standing: Floats, rng: np.random.Generator) -> Floats:
    """Differential evolution: proposals for ``movers`` (M, d) along differences within the part that stands still."""
    count, dimension = movers.shape
    one = rng.integers(0, len(standing), count)
    two = (one + rng.integers(1, len(standing), count)) % len(standing)
    # gamma = 2.38 / sqrt(2 d) is optimal for a normal target; every tenth step jumps between modes (gamma = 1).
    gamma = np.where(rng.random(count) < 0.1, 1.0, 2.38 / np.sqrt(2 * dimension))
    jitter = 1e-4 * standing.std(axis=0) * rng.standard_normal((count, dimension))
    return storable(movers + gamma[:, None] * (standing[one] - standing[two]) + jitter)
