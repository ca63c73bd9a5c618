"""Particles drawn anew from mixtures that are fitted to a cloud, and weighed by their whole history.

    draw     from a mixture q fitted to the cloud, and weigh by  prior p(past | eta) p(y | eta)^phi / q(eta)

Where a few draws carry too much of the weight, q is fitted to them and drawn from again. All draws are one sample, of
which as many are kept as the cloud has particles. A peak of the posterior that weighs little gets more draws and keeps
more particles than its weight would give it, each of less weight: enough to know what it weighs, and for later data to
raise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, storable
from twin.filter.belief import effective_size, normalised
from twin.filter.mixture import Mixture, fitted, log_sum
from twin.filter.modes.peaks import Peaks
from twin.filter.stage import Stage, Target, Weigher, least_ess
from twin.solver.effects import Law

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

KEPT = 0.1
"""Part of the particles that every peak keeps at least, however light."""

RESTS_ON = 0.08
"""ESS of a peak's draws, as a part of N, with which its weight is known to a tenth."""

HOPELESS = 0.02
"""Fraction of N that the ESS of a draw has to reach for another to be tried."""


def drawn_anew(
    law: Law,
    stage: Stage,
    weigher: Weigher,
    target: Target,
    rng: np.random.Generator,
    peaks: Peaks | None = None,
    *,
    last: bool = True,
) -> tuple[Stage, bool]:
    """The best cloud drawn anew, and whether it will do.

    Args:
        stage: what the first mixture is fitted to.
        target: log density of what is to be stood for, up to the law's constant.
        peaks: of the posterior where there are several.
        last: whether this is no tempering stage on the way, of which less is asked.
    """
    size, best, pool, proposals = len(stage.log_weight), stage, None, list[Mixture]()
    enough, does = (ENOUGH if last else ENOUGH_BETWEEN) * size, False
    for draws in range(1, ROUNDS + 1):
        proposals.append(fitted(best.cloud.eta, np.exp(best.log_weight), law.covariance, rng, peaks))
        drawn = weigher(storable(proposals[-1].draw(rng, size)))
        pool = drawn if pool is None else pool.joined(drawn)
        # All draws so far are one sample of the mean of all proposals (Owen & Zhou 2000).
        density = log_sum(np.array([proposal.log_density(pool.eta) for proposal in proposals])) - math.log(draws)
        log_weight, total = normalised(target(pool) - density)
        label = None if peaks is None else peaks.nearest(pool.eta)
        kept, weight = thinned(log_weight, size, pool.eta, float(rng.random()), label)
        found = Stage(pool.take(kept), weight, total - math.log(len(log_weight)) + law.constant, draws)
        ess = effective_size(log_weight)
        does = bool(np.isfinite(total) and ess >= enough and float(log_weight.max()) <= math.log(LARGEST / size))
        if np.isfinite(total) and (ess > best.ess or best is not stage):
            best = found
        if does and not (last and label is not None and least_ess(log_weight, label) < RESTS_ON * size):
            return found, True
        if ess < HOPELESS * size:
            break
    return best, does


def systematic(weight: Floats, size: int, offset: float) -> NDArray[np.int64]:
    """Systematic resampling: ancestors at the strata (i + offset) / size of the cumulative weights (Kitagawa 1996)."""
    cumulative = np.cumsum(weight)
    strata = (np.arange(size) + offset) / size
    return np.minimum(np.searchsorted(cumulative / cumulative[-1], strata), len(weight) - 1)


def thinned(
    log_weight: Floats, size: int, eta: Floats, offset: float, label: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], Floats]:
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
    if label is not None:
        share = _raised(share, label)
    # The least c for which the probabilities add up: from the heaviest on, how many are kept for certain.
    ranked = np.sort(share)[::-1]
    lighter = np.cumsum(ranked[::-1])[::-1]
    certain = int(np.argmax(ranked * (size - np.arange(len(ranked))) <= lighter))
    odds = np.minimum(1.0, share * (size - certain) / lighter[certain])
    order = _along_longest(eta, weight)
    chosen = order[systematic(odds[order], size, offset)]
    return chosen, normalised(log_weight[chosen] - np.log(odds[chosen]))[0]


def resampled(
    log_weight: Floats, offset: float, label: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], Floats]:
    """Ancestors (N,) of a cloud, and what their copies weigh: the same each, or less in a peak that weighs little."""
    share = np.exp(log_weight)
    if label is not None:
        share = _raised(share, label)
    index = systematic(share, len(share), offset)
    return index, normalised(log_weight[index] - np.log(share[index]))[0]


def parts_along(eta: Floats, weight: Floats, size: int) -> NDArray[np.int64]:
    """Parts (N,) of ``size`` particles each of eta (N, d) with weights (N,), along the axis of the longest spread."""
    order = _along_longest(eta, weight)
    part = np.empty(len(eta), dtype=np.int64)
    part[order] = np.arange(len(eta)) // size
    return part


def _along_longest(eta: Floats, weight: Floats) -> NDArray[np.int64]:
    """Order (N,) of particles along the axis in which the weighted cloud is longest."""
    # Plain sums: long inner products are cut among threads, which shows in the last bits.
    apart = eta - (eta * weight[:, None]).sum(axis=0)
    _, axes = np.linalg.eigh(np.einsum("n,ni,nj->ij", weight, apart, apart))
    return np.argsort((apart * axes[:, -1]).sum(axis=1), kind="stable")


def _raised(share: Floats, label: NDArray[np.int64]) -> Floats:
    """Shares (M,) of particles with those of every ``label`` (M,) raised to `KEPT` of all."""
    of_label = np.bincount(label, weights=share)
    least = min(KEPT, 1.0 / len(of_label)) * of_label.sum()
    raised = np.where((of_label > 0.0) & (of_label < least), least / np.maximum(of_label, 1e-300), 1.0)
    return share * raised[label]
