"""Sequential Bayes: what one measured value does to a belief.

    weigh        w_i <- w_i p(y | eta_i)
    if ESS < N/2, or a part of the cloud rests on a few particles:
        seek     peaks of the posterior, among them such as the cloud has lost
    if ESS < N/2, or there are several peaks:
        temper   find the largest step in p(y | eta)^phi that keeps ESS at N/4
        draw     anew from a mixture q fitted to the cloud, and weigh by  prior p(past | eta) p(y | eta)^phi / q(eta)
        until phi = 1

Particles drawn anew are weighed by solving their whole history, so they stand for the exact posterior whatever came
before (iterated importance sampling, Cappe et al. 2004; with tempering as in Del Moral et al. 2006), and the mean of
their weights is the evidence of all data at once. Draws fill the mixture evenly (see `twin.filter.mixture`), which for
smooth posteriors leaves a fraction of the error of chance. How they are drawn is in `twin.filter.drawing`.

Where drawing again and again does not help, since there are too many dimensions or a bend that no mixture follows, the
cloud is resampled and moved instead by Metropolis steps with the same target (resample-move, Gilks & Berzuini 2001;
Chopin 2002): see `twin.filter.moving`. A drift has an increment per parameter and step, more than any mixture follows,
and each is little known: those particles are moved at once.

From a drift's first step on other peaks are not looked for, nor where there are too many effects to draw. A peak that
the cloud has lost is given its weight by draws that a mixture weighs, and there is no such mixture; Laplace's
approximation alone, over dozens of increments, would be a guess that nothing corrects. Without the increments a search
would climb the peaks of another posterior. Two modes are kept there by the cloud alone, and by every tenth step of
differential evolution, which jumps between them.

What a particle carries along (see `twin.solver.effects`) is resampled with it and never moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from twin.arrays import Floats, storable
from twin.filter.belief import Belief, effective_size, normalised
from twin.filter.drawing import LARGEST, drawn_anew, parts_along, resampled
from twin.filter.mixture import fitted
from twin.filter.modes.peaks import Peaks
from twin.filter.moving import moved
from twin.filter.stage import Stage, Weighed, Weigher, least_ess, target_of
from twin.randomness import generator
from twin.solver.effects import Law

ESS_FLOOR = 0.5
"""Fraction of N below which the cloud is renewed."""

STAGE_FLOOR = 0.25
"""Fraction of N that a tempering stage leaves: most data need no tempering, only a renewal."""

DRAWN_AT_MOST = 24
"""Free effects beyond which drawing anew is not tried."""

PART, PART_RESTS_ON = 30, 4.0
"""Particles of a part, and the ESS below which it cannot tell that no peak stands beside it, so that one is sought."""

MOST_STAGES = 16
"""Tempering stages after which the rest of a datum is taken at once."""


Seek = Callable[[Floats, Floats, np.random.Generator], Peaks]
"""Looks for the peaks of the posterior, from eta (N, d) and their log density (N,): see `twin.filter.modes.peaks`."""


@dataclass(frozen=True)
class Diagnostics:
    """What one assimilation took: tempering stages, draws from mixtures, Metropolis sweeps, accepted moves per
    particle, and the ESS before any of it."""

    stages: int
    draws: int
    sweeps: int
    moved: float
    ess_before: float


def assimilate(
    law: Law,
    belief: Belief,
    weighed: Weighed,
    weigher: Weigher,
    key: tuple[object, ...],
    seek: Seek | None = None,
) -> tuple[Belief, Weighed, Diagnostics]:
    """Bayes' rule for one datum.

    Args:
        law: the prior of the belief's free effects.
        belief: before the datum.
        weighed: the belief's particles with likelihoods of the past and of the datum.
        weigher: solves new particles.
        key: names the randomness, e.g. (patient_id, ms, output).
        seek: looks for other peaks, which the cloud may have lost; without it there is taken to be one.

    Returns:
        The belief after the datum, its particles' likelihoods, and diagnostics.
    """
    log_weight, increment = normalised(belief.log_weight + weighed.last)
    ess = effective_size(log_weight)
    holds = bool(np.isfinite(increment)) and _holds(log_weight)
    peaks = None
    if not holds or _thin(law, belief, log_weight):
        peaks = _several(law, weighed, seek, generator(*key, "seek"))
    if holds and peaks is None:
        evidence = belief.log_evidence + increment
        told, log_weight = belief.observations + 1, storable(log_weight)
        done = replace(belief, log_weight=log_weight, log_evidence=evidence, observations=told)
        return done, weighed, Diagnostics(0, 0, 0, 0.0, ess)
    stage, phi = Stage(weighed, belief.log_weight, belief.log_evidence), 0.0
    taken: list[Stage] = []
    while phi < 1.0:
        step = _largest_step(stage.log_weight, stage.cloud.last, phi) if len(taken) + 1 < MOST_STAGES else 1.0
        log_weight, increment = normalised(stage.log_weight + (step - phi) * stage.cloud.last)
        phi = step
        rng = generator(*key, "renew", len(taken) + 1)
        stage = _renewed(law, Stage(stage.cloud, log_weight, stage.log_evidence + increment), weigher, phi, rng, peaks)
        taken.append(stage)
    done = replace(
        belief,
        eta=stage.cloud.eta,
        log_weight=storable(stage.log_weight),
        log_evidence=stage.log_evidence,
        observations=belief.observations + 1,
    )
    draws, sweeps = sum(t.draws for t in taken), sum(t.sweeps for t in taken)
    return done, stage.cloud, Diagnostics(len(taken), draws, sweeps, sum(t.moved for t in taken), ess)


def _drawable(law: Law) -> bool:
    return law.size <= DRAWN_AT_MOST and not law.carried


def _holds(log_weight: Floats) -> bool:
    """Whether the particles still stand for the posterior with new weights (N,), on the whole."""
    size = len(log_weight)
    return effective_size(log_weight) >= ESS_FLOOR * size and float(log_weight.max()) <= math.log(LARGEST / size)


def _thin(law: Law, belief: Belief, log_weight: Floats) -> bool:
    """Whether a part of the particles, with new weights (N,), no longer tells that there is no peak beside it."""
    if not _sought(law):
        return False
    part = parts_along(belief.eta, belief.weight, PART)
    return least_ess(log_weight, part, belief.log_weight) < PART_RESTS_ON


def _sought(law: Law) -> bool:
    """Whether peaks are looked for."""
    # Not with a drift, and not where peaks could not be drawn from: see above.
    return law.size > 0 and not law.steps and _drawable(law)


def _several(law: Law, weighed: Weighed, seek: Seek | None, rng: np.random.Generator) -> Peaks | None:
    """The peaks of the posterior where there are several."""
    if seek is None or not _sought(law):
        return None
    peaks = seek(weighed.eta, target_of(law, 1.0)(weighed), rng)
    return peaks if len(peaks.mass) > 1 else None


def _renewed(
    law: Law, stage: Stage, weigher: Weigher, phi: float, rng: np.random.Generator, peaks: Peaks | None
) -> Stage:
    """The stage with new particles: drawn from mixtures fitted to it, or moved where drawing fails."""
    target, best = target_of(law, phi), stage
    if _drawable(law):
        best, enough = drawn_anew(law, stage, weigher, target, rng, peaks, last=phi == 1.0)
        if enough:
            return best
    core = slice(law.core)
    proposal = None
    if law.core:
        proposal = fitted(best.cloud.eta[:, core], np.exp(best.log_weight), law.covariance[core, core], rng, peaks)
    label = None if peaks is None else peaks.nearest(best.cloud.eta)
    index, log_weight = resampled(best.log_weight, float(rng.random()), label)
    cloud, sweeps, accepted = moved(law, target, best.cloud.take(index), weigher, proposal, rng)
    return Stage(cloud, log_weight, best.log_evidence, best.draws, sweeps, accepted)


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
