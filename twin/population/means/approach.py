"""The way to a minimum from afar, where many effects correlate: first by two stages, then by the quasi-Newton search.

A full Omega of 8 effects has 36 numbers, and BFGS from a poor start takes a step for each of them and more. What modes
and their covariances say of Omega and of typical values has a closed form (iterated two-stage estimation: Steimer et
al. 1984, Drug Metab Rev 15:265),

    psi_i = mu_i + eta_i*,      Omega = 1/N sum (psi_i - mu_i)(psi_i - mu_i)' + H_i^-1,

and comes near in a few steps, whatever the number of covariances; all other numbers make a step by the scores
beside it. Its end is not the minimum: from there the search goes on.
"""

from __future__ import annotations

import numpy as np

from twin.arrays import Floats
from twin.population.means.means import Means
from twin.population.means.regression import Moments, normal_equations, regressed
from twin.population.objective import Evaluation, Objective
from twin.population.results.uncertainty import hessian
from twin.population.search import ANYWHERE, Bounds, State, Told, scores_curvature, search, untold
from twin.population.theta import Theta
from twin.population.values import LEVELS

MANY = 6
"""Free covariances from which on two stages come first: those of a block of four effects."""

MOST, ENOUGH = 40, 1.0
"""Steps at the most, and the fall of the objective under which the search does better."""

BENT = 1e-4
"""Least eigenvalue of the objective's curvature, with its diagonal made 1, by which it is one of a minimum."""

LONGEST = 0.5
"""Longest step of a number that two stages say nothing of, relative to the larger of it and 1."""


def sought(objective: Objective, begin: State, told: Told, within: Bounds = ANYWHERE) -> tuple[State, Evaluation]:
    """Follow a search to its end (`twin.population.search.search`), from afar by two stages where these help.

    Raises:
        FloatingPointError: the objective is not finite where the search begins.
    """
    if not _helps(objective):
        return search(objective, begin, told, within)
    means, state, seen = Means(objective.cohort), begin, None
    if begin.step == 0 and begin.curvature is None:
        state, seen = _approached(objective, means, begin, told, within)
    return search(objective, state, told, within, seen, lambda here: _curvature(objective, means, here, within))


def _helps(objective: Objective) -> bool:
    cohort, theta = objective.cohort, objective.cohort.theta
    covariances = sum(one.kind in LEVELS and one.i != one.j for one in theta.elements)
    return covariances >= MANY and cohort.classes == 1 and theta.prior is None and theta.model.sites is None


@np.errstate(invalid="ignore", over="ignore")  # what is not finite is refused, or no step
def _approached(
    objective: Objective, means: Means, begin: State, told: Told, within: Bounds
) -> tuple[State, Evaluation]:
    state, here = begin, objective(begin.vector, thorough=True)
    if not np.isfinite(here.total):
        raise FloatingPointError("the objective is not finite at the values that the search begins with")
    told(state, here)
    for _ in range(MOST):
        there = objective(within.clip(_after(objective, means, here)), here)
        fall = here.total - there.total
        if not (np.isfinite(fall) and fall > 0.0):
            break
        here, state = there, State(there.vector, None, state.step + 1)
        told(state, here)
        if fall < ENOUGH:
            break
    # Modes are elsewhere now, and so is how finely patients have to be stepped.
    return state, objective(here.vector, here, thorough=True)


def _curvature(objective: Objective, means: Means, here: Evaluation, within: Bounds) -> Floats:
    """B (K, K) to go on with: that of the objective itself where it is cheap to have and bends upwards all around."""
    if objective.method == "focei":
        found, unknown = hessian(objective, here), untold(here, within)
        found[unknown], found[:, unknown] = 0.0, 0.0
        found[unknown, unknown] = 1.0
        size = np.sqrt(np.maximum(np.diag(found), 1e-300))
        if np.isfinite(found).all() and np.linalg.eigvalsh(found / np.outer(size, size))[0] > BENT:
            return found
    return _told_and_seen(objective, means, here)


def _told_and_seen(objective: Objective, means: Means, here: Evaluation) -> Floats:
    """B (K, K) of the scores, which few patients tell badly of many numbers, with a part of what their effects would
    tell if they were seen."""
    cohort, theta = objective.cohort, objective.cohort.theta
    found, whole = scores_curvature(here), np.zeros((theta.size, theta.size))
    population = theta.unpack(here.vector)
    if means.moved:
        precision = population.prior(cohort.parts)[1]
        moved = np.ix_(means.moved, means.moved)
        whole[moved] = 2.0 * normal_equations(means.design(here.vector), precision, here.eta, means)[0]
    for level, parts in cohort.parts.items():
        slopes, precision = theta.omega_slopes(here.vector, level), population.precision(level)
        often = sum((means.active[:, part].sum(axis=0) for part in parts), np.zeros(len(precision)))
        turned = {at: precision @ change for at, change in slopes.items()}
        for at, one in turned.items():
            for other, two in turned.items():
                whole[at, other] = float(often @ (one * two.T).sum(axis=1))
    known = np.asarray(whole.any(axis=1))
    share = theta.size / (theta.size + len(cohort))
    mixed = np.where(known[:, None] & known[None, :], (1.0 - share) * found + share * whole, found)
    return np.asarray(mixed)


def _after(objective: Objective, means: Means, here: Evaluation) -> Floats:
    """The vector (K,) after a step."""
    theta, mu = objective.cohort.theta, means.at(here.vector)
    psi = here.eta + mu
    moments = Moments(psi, here.covariance + psi[:, :, None] * psi[:, None, :])
    found = regressed(means, theta, here.vector, moments)
    if len(at := _beside(theta, means)):
        step = -np.linalg.solve(scores_curvature(here)[np.ix_(at, at)], here.gradient[at])
        limit = LONGEST * np.maximum(1.0, np.abs(here.vector[at]))
        found[at] += step * min(1.0, float((limit / np.maximum(np.abs(step), 1e-300)).min()))
    return found


def _beside(theta: Theta, means: Means) -> list[int]:
    """Places of the numbers that two stages say nothing of."""
    return [n for n, one in enumerate(theta.elements) if one.kind not in LEVELS and n not in means.moved]
