"""What the likelihood of draws still promises: Newton's step up, and how many standard errors long it is.

    step = I^-1 g,      length = max_k |step_k| / sqrt((I^-1)_kk)

g is the score and I the information: first the sum of the squared scores, which costs nothing. Where that leaves more
than a little to go it is asked again, of the curvature itself by differences of the score: where patients tell two
numbers apart only by how badly both would fit if they were others (rates of absorption in a row, which may change
places), scores nearly cancel, their squares say next to nothing, and promise moves of several standard errors from
where there is nothing to gain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.population.importance.sampled import Likelihood, Sample
from twin.population.search import bounds

LITTLE = 0.05
"""Standard errors, by squared scores, that are not worth asking the curvature."""

FARTHEST, HALVINGS = 3.0, 10
"""Standard errors that a step is long at most, and times that it may be shortened."""

STEP, SHORTEST, LONGEST = 0.03, 1e-4, 0.05
"""Displacement of each number for the curvature, in standard errors that the scores tell of, and its bounds."""

FLAT = 1e-3
"""Of the information of a number alone, the least that counts in any direction."""


@dataclass(frozen=True)
class Promise:
    """A step (K,) up the likelihood, with the standard errors (K,) that it is measured by, of an information (K, K)."""

    step: Floats
    errors: Floats
    information: Floats

    @property
    def long(self) -> float:
        """The longest move of a number, in its standard errors."""
        return float((np.abs(self.step) / self.errors).max())

    @property
    def of(self) -> int:
        """The place of the number that it is of."""
        return int((np.abs(self.step) / self.errors).argmax())


def promise(sample: Sample, vector: Floats, information: Floats | None = None) -> Promise:
    """What the likelihood still promises at a vector (K,), near to which the curvature (K, K) may be known."""
    found = sample.likelihood(vector)
    by_scores = along(_bounded(found.information), found)
    if by_scores.long <= LITTLE:
        return by_scores
    return along(curvature(sample, found, by_scores.errors, vector) if information is None else information, found)


def curvature(sample: Sample, here: Likelihood, errors: Floats, vector: Floats) -> Floats:
    """-d2 log L (K, K) at a vector, of what was found ``here``; standard errors (K,) are about so large.

    Its eigenvalues, where every number has the scale that its own curvature gives it, are taken without their sign, so
    that its step leads uphill.
    """
    size = len(vector)
    h = np.clip(STEP * errors, SHORTEST, LONGEST)
    found = np.empty((size, size))
    for at in range(size):
        moved = np.zeros(size)
        moved[at] = h[at]
        found[at] = (here.slope - sample.likelihood(vector + moved).slope) / h[at]
    if not np.isfinite(found).all():
        return _bounded(here.information)
    found = 0.5 * (found + found.T)
    scale = np.sqrt(np.maximum(np.abs(np.diag(found)), 1e-6))
    values, vectors = np.linalg.eigh(found / np.outer(scale, scale))
    return np.asarray((vectors * np.maximum(np.abs(values), FLAT)) @ vectors.T * np.outer(scale, scale))


def along(information: Floats, found: Likelihood) -> Promise:
    """Newton's step by the score that was found, and an information (K, K)."""
    inverse = np.linalg.inv(information)
    return Promise(np.asarray(inverse @ found.slope), np.asarray(np.sqrt(np.diag(inverse))), information)


def stepped_up(sample: Sample, vector: Floats, by: Promise) -> Floats:
    """The vector (K,) after that step, shortened until it leads up, and within bounds."""
    here, within = sample.likelihood(vector, score=False), bounds(sample.theta)
    step = by.step * min(1.0, FARTHEST / max(by.long, 1e-300))
    for _ in range(HALVINGS):
        there = within.clip(vector + step)
        if sample.likelihood(there, score=False).total > here.total:
            return np.asarray(there)
        step *= 0.5
    return vector


def _bounded(information: Floats) -> Floats:
    """Information (K, K) by squared scores, with something of what they say nothing of."""
    least = max(1e-6 * float(np.diag(information).max(initial=0.0)), 1e-6)
    return np.asarray(information + least * np.eye(len(information)))
