"""A population learnt from messages: expectation and maximisation on particles that were drawn once.

    E: every patient's particles weighed under the population tried (`twin.learning.contribution`)
    M: the population that fits their moments best (`twin.learning.maximisation`)

until what is left to go, by the ratio of the last two steps, is nothing. It ends where maximum likelihood does, but for
the Monte Carlo error of the particles, as long as these reach the population: of whom they do not, `Learnt.to_fold` are
the names, and who has the record folds it again under what was found and goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.learning.contribution import Reach, reach, score
from twin.learning.maximisation import Standing, maximised
from twin.learning.population import Anchor, Particles, Theta
from twin.learning.sums import Sums, sums_of

MOST_STEPS = 2000

LEFT = 1e-3
"""What may be left to go when it ends, in published standard deviations."""

SLOWEST = 0.999
"""Largest ratio of two steps that is believed."""


@dataclass(frozen=True, eq=False)
class Learnt:
    """What was learnt.

    Attributes:
        theta: the population; ``errors`` the standard errors of its numbers, by the scores, 0 of what stays as
            published and NaN where they say nothing.
        gain: log-likelihood beyond that under the published population.
        reached: of every patient, in the order given, whether the particles reach.
        settled: whether it ended by itself.
    """

    theta: Theta
    errors: Theta
    patients: int
    steps: int
    gain: float
    reached: tuple[Reach, ...]
    settled: bool

    @property
    def to_fold(self) -> tuple[str, ...]:
        """Patients whose particles do not reach what was learnt."""
        return tuple(one.patient_id for one in self.reached if not one.holds)


def improved(anchor: Anchor, theta: Theta, sums: Sums, prior: Standing | None = None) -> Theta:
    """The next population, from everybody's sums at ``theta``."""
    return maximised(anchor, theta, sums, prior)


def learnt(
    anchor: Anchor,
    patients: Sequence[Particles],
    prior: Standing | None = None,
    start: Theta | None = None,
    done: Callable[[int, Theta, float], None] | None = None,
    most: int = MOST_STEPS,
) -> Learnt:
    """Learn from one site's patients, one latest message each.

    Args:
        prior: what the published numbers are worth; none by default.
        start: the population to begin at, by default the published one.
        done: is told the number of each step, the population tried and its gain.
        most: steps after which it ends, settled or not.

    Raises:
        ValueError: no patients, or two messages of one.
    """
    names = [one.patient_id for one in patients]
    twice = next((name for name in names if names.count(name) > 1), None) if len({*names}) < len(names) else None
    if twice is not None:
        raise ValueError(f"patient {twice}: two messages; keep the latest, which contains the one before")
    theta = anchor.published if start is None else start
    size, step, settled, gain = np.inf, 0, False, 0.0
    while step < most and not settled:
        sums = sums_of(patients, theta)
        following, gain, step = improved(anchor, theta, sums, prior), sums.gain, step + 1
        if done is not None:
            done(step, theta, gain)
        before, size = size, distance(theta, following)
        theta, settled = following, left_to_go(before, size) < LEFT
    gain = sums_of(patients, theta).gain
    return Learnt(
        theta, errors_of(anchor, patients, theta), len(patients), step, gain,
        tuple(reach(one, theta) for one in patients), settled,
    )  # fmt: skip


def distance(one: Theta, other: Theta) -> float:
    """Largest difference of two populations in any number: in published standard deviations, units of coefficients,
    logarithms of sizes of errors, or shares."""
    return float(max(np.abs(a - b).max(initial=0.0) for a, b in zip(one, other, strict=True)))


def left_to_go(before: float, now: float) -> float:
    """What is left when steps of these sizes become smaller by the same ratio ever after."""
    ratio = min(now / before, SLOWEST) if 0 < before < np.inf else SLOWEST
    return now * ratio / (1.0 - ratio)


def errors_of(anchor: Anchor, patients: Sequence[Particles], theta: Theta) -> Theta:
    """Standard errors of a population's numbers: from the inverse of the sum of the patients' squared scores."""
    size = len(theta.mean)
    pairs = tuple((i, j) for i in range(size) for j in range(i, size) if anchor.free[i, j])
    scores = np.array([score(one, theta, pairs) for one in patients])
    logits = np.full(max(len(theta.shares) - 1, 0), not anchor.shares_held)
    free = ~anchor.held, np.ones(len(pairs), np.bool_), anchor.free_coefficients, anchor.free_sizes, logits
    kept = np.concatenate(free)
    found, of_shares = np.where(kept, np.nan, 0.0), np.where(logits.any(), np.nan, 0.0) * np.ones(len(theta.shares))
    information: Floats = scores[:, kept].T @ scores[:, kept]
    if len(patients) > kept.sum() and np.linalg.eigvalsh(information).min() > 0:
        whole = np.linalg.inv(information)
        found[kept] = np.sqrt(np.diag(whole))
        if logits.any():
            p, inner = theta.shares, whole[-len(logits) :, -len(logits) :]
            slope = (np.diag(p) - np.outer(p, p))[:, :-1]  # d p / d l, with l as in `twin.population.mixture.mixing`
            of_shares = np.sqrt(np.diag(slope @ inner @ slope.T))
    mean, each, coefficients, scatter, _ = np.split(found, np.cumsum([len(part) for part in free[:-1]]))
    covariance = np.zeros((size, size))
    for (i, j), error in zip(pairs, each, strict=True):
        covariance[i, j] = covariance[j, i] = error
    return Theta(mean, covariance, coefficients, scatter, of_shares)
