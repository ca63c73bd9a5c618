"""How certain the numbers of a population are: standard errors from the curvature, the scores, and both.

With the objective O (-2 log likelihood), in the vector of `twin.population.theta`,

    R = d2O / 2,      S = sum_i s_i s_i' / 4,      covariance = R^-1, S^-1, or R^-1 S R^-1 (the sandwich),

i being patients, or where these share effects of sites the sites; with what a prior adds to either, R being differences
of the gradient. Where R is not positive definite there is no minimum, and no standard error: that is said instead. The
condition number is that of the correlation matrix of the estimates.

What the data do not tell from 0, a factor of Omega or a size that an error may lack (`twin.population.search.untold`),
has no minimum on its scale. It counts as known to be none: certainty is that of the other numbers, and nothing hangs on
its own (`NOTHING`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.population.laplace.nearby import NearbyObjective
from twin.population.objective import Evaluation
from twin.population.objective import Objective as Conditional
from twin.population.search import Objective, bounds, scores_curvature, untold
from twin.population.theta import Theta

Kind = Literal["sandwich", "R", "S"]

NORMAL_95 = 1.959964
"""Standard errors on either side of an estimate that hold 95 %."""

STEP = 0.03
"""Displacement of each number for R, in standard errors that the scores tell of."""

SHORTEST, FARTHEST = 1e-4, 0.05
"""Bounds of that displacement."""

BEYOND_KINKS = 0.3
"""The same where a lag or a duration moves: modes may stand at kinks, and the curvature is that beyond these."""

NEARER = 0.2
"""Of that displacement, where what is predicted is taken to be straight."""

ENDLESS, GONE = 5.0, 3.0
"""Standard error of the logarithm of a typical value with which the data tell no end of it, and how far its logarithm
then went: it grew or shrank twenty times."""

NOTHING = 1.0
"""Variance of the logarithm of what is next to 0."""


@dataclass(frozen=True)
class Uncertainty:
    """Of the numbers `Theta.names`, on their natural scale.

    Attributes:
        covariance: (K, K) by kind; a kind that there is none of is missing.
        vector_covariance: the same in the vector.
        problem: why a kind is missing, in words; empty where none is.
    """

    covariance: dict[Kind, Floats]
    vector_covariance: dict[Kind, Floats]
    problem: str

    def errors(self, kind: Kind) -> Floats | None:
        """Standard errors (K,)."""
        found = self.covariance.get(kind)
        return None if found is None else np.asarray(np.sqrt(np.diag(found)))

    def correlation(self, kind: Kind) -> Floats | None:
        """Correlations of the estimates (K, K)."""
        found = self.covariance.get(kind)
        if found is None:
            return None
        size = np.sqrt(np.diag(found))
        return np.asarray(found / np.outer(size, size))

    def condition(self, kind: Kind) -> float | None:
        """Largest eigenvalue of the correlations over the smallest."""
        found = self.correlation(kind)
        if found is None:
            return None
        values = np.linalg.eigvalsh(found)
        return float(values[-1] / values[0]) if values[0] > 0 else float("inf")


def uncertainty(objective: Objective, theta: Theta, here: Evaluation) -> Uncertainty:
    """Of the numbers at which the objective is least."""
    known = ~untold(here, bounds(theta))
    s, count = 0.5 * here.told_independently, len(here.independent)
    r = 0.5 * hessian(objective, here)
    inverse: dict[Kind, Floats | None] = {
        "R": _inverse(r, known),
        "S": _inverse(s, known) if count > theta.size else None,
    }
    problems = []
    if inverse["R"] is None:
        free = r[np.ix_(known, known)]
        lowest = float(_standardised(free)[0])
        flat = theta.names[int(np.flatnonzero(known)[np.abs(_flattest(free)).argmax()])]
        problems.append(
            f"R is not positive definite (smallest eigenvalue {lowest:.2g}, mostly {flat}): no minimum was reached, or"
            " the data do not tell that number; fix it or simplify the model"
        )
    if inverse["S"] is None:
        who = "patients" if here.site is None else "sites"
        problems.append(f"S is singular ({count} {who} for {theta.size} numbers): there are too few {who} for it")
    found: dict[Kind, Floats] = {}
    if (of_r := inverse["R"]) is not None and inverse["S"] is not None:
        found["sandwich"] = np.asarray(of_r @ s @ of_r)
    found |= {kind: one for kind, one in inverse.items() if one is not None}
    slopes = theta.natural_slopes(here.vector)
    return Uncertainty({kind: slopes @ one @ slopes.T for kind, one in found.items()}, found, "; ".join(problems))


def endless(theta: Theta, here: Evaluation, certainty: Uncertainty) -> dict[str, float]:
    """Typical values that a search left going on without an end, as the most that an effect can be and the level of
    half of it where values tell their ratio alone, with the standard errors of their logarithms: by R, or if there is
    none by the scores."""
    of_r = certainty.vector_covariance.get("R")
    covariance = 2.0 * np.linalg.inv(scores_curvature(here)) if of_r is None else of_r
    errors, start, found = np.sqrt(np.diag(covariance)), theta.pack(theta.start), dict[str, float]()
    for at, (name, element) in enumerate(zip(theta.names, theta.elements, strict=True)):
        now, begun, error = float(here.vector[at]), float(start[at]), float(errors[at])
        scale = theta.scale(element.i) if element.kind == "place" else "logit"
        if scale == "identity" and now and begun:
            now, begun, error = math.log(abs(now)), math.log(abs(begun)), error / abs(now)
        elif scale != "log":
            continue
        if error > ENDLESS and abs(now - begun) > GONE:
            found[name] = error
    return found


def hessian(objective: Objective, here: Evaluation) -> Floats:
    """(K, K) second derivatives of the objective, by central differences of its gradient: of FOCE-I about modes whose
    predictions are taken to be straight, of others, and where a lag or a duration moves, where modes are searched
    anew."""
    size = len(here.vector)
    errors = np.sqrt(2.0 * np.diag(np.linalg.inv(scores_curvature(here))))
    late = isinstance(objective, Conditional) and bool(objective.cohort.kernel.late)
    h = np.clip((BEYOND_KINKS if late else STEP) * errors, SHORTEST, FARTHEST)
    nearby = None
    if type(objective) is Conditional and objective.method == "focei" and not late:
        nearby, h = NearbyObjective(objective, here), NEARER * h
    found = np.empty((size, size))
    for at in range(size):
        step = np.zeros(size)
        step[at] = h[at]
        if nearby is None:
            up, down = objective(here.vector + step, here), objective(here.vector - step, here)
        else:
            up, down = nearby.moved(step), nearby.moved(-step)
        found[at] = (up.gradient - down.gradient) / (2.0 * h[at])
    return np.asarray(0.5 * (found + found.T))


def _standardised(matrix: Floats) -> Floats:
    """Eigenvalues, ascending, of a matrix with its diagonal made 1."""
    size = np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-300))
    return np.asarray(np.linalg.eigvalsh(matrix / np.outer(size, size)))


def _flattest(matrix: Floats) -> Floats:
    size = np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-300))
    return np.asarray(np.linalg.eigh(matrix / np.outer(size, size))[1][:, 0])


def _inverse(matrix: Floats, known: NDArray[np.bool_]) -> Floats | None:
    """The inverse of a matrix that is positive definite among the numbers that are ``known`` (K,), or ``None``."""
    inside = np.ix_(known, known)
    free, found = matrix[inside], np.diag(np.where(known, 0.0, NOTHING))
    if not len(free) or not np.isfinite(free).all() or np.diag(free).min() <= 0 or _standardised(free)[0] <= 1e-10:
        return None
    found[inside] = np.linalg.inv(free)
    return found
