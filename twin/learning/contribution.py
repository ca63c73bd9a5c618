"""What one patient adds to the sums of an iteration, at a population that is tried (the E-step).

    v_k  ~  (w_k / q_k) p(z_k | theta) p(values | sizes, k),      gain = log sum_k of that

less the same of the published population, so that gain is log p(y | theta) - log p(y | theta_0), and moments under v
are those of the posterior under theta. Where a characteristic was never reported, z is what the population gives, u,
and what the patient's unknown one adds, m:

    z = u + m,  u ~ N(mean, Omega),  m ~ N(0, W):     E[u | z] = mean + G (z - mean),   Var[u | z] = Omega - G Omega,
    G = Omega (Omega + W)^-1,

so that not knowing a weight does not make the population look wider than it is. Beside u stand the slopes of the
patient's mean by the coefficients of covariates, which are numbers: moments of both together are all that the
regression of the M-step needs. Of the residual errors there are the count of residuals and the sum of their squares; of
a mixture how probable each class is, offsets and slopes being those of a particle's class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.filter.belief import effective_size, normalised
from twin.learning.pareto import TRUSTED, tail_shape
from twin.learning.population import Particles, Theta

LEAST_SHARE = 0.1
"""Least effective share of a patient's particles."""

LEFT_OUT = 0.1
"""Published standard deviations by which covariates that moved along a record may have another effect than counted."""

IMPROBABLE = 0.01
"""A class that a patient is of with less than this probability needs no particles that reach."""

BENT = 0.1
"""Of the logarithm of a size of an error, by which what is not normal may be weighed by its two derivatives."""


@dataclass(frozen=True, eq=False)
class Contribution:
    """One patient's part.

    Attributes:
        first, second: moments (d + L,) and (d + L, d + L) of u without the offset of its covariates, and of the slopes.
        count, squares: (o,) of residuals, these in units of the sizes tried.
        classes: (K,) how probable each class is; none without classes.
        gain: in log-likelihood, over the published population.
    """

    first: Floats
    second: Floats
    count: Floats
    squares: Floats
    classes: Floats
    gain: float


@dataclass(frozen=True)
class Reach:
    """Whether a patient's particles reach a population: the effective share of them, the shape of the tail, and
    ``untold``, what of the change is not in their weights (in units of what may be left out)."""

    patient_id: str
    ess_share: float
    tail: float
    untold: float = 0.0

    @property
    def holds(self) -> bool:
        """Otherwise the patient is to be folded again under that population."""
        return self.ess_share >= LEAST_SHARE and self.tail <= TRUSTED and self.untold <= 1.0


def contribution(particles: Particles, theta: Theta) -> Contribution:
    """What a patient adds at ``theta``."""
    log_weight, whole = reweighed(particles, theta)
    weight, gain = np.exp(log_weight), whole - particles.as_published
    u, size = particles.effects(theta), len(theta.mean)
    left = np.zeros_like(theta.covariance)
    if particles.widening.any():
        known = theta.covariance @ np.linalg.inv(theta.covariance + np.diag(particles.widening))
        u = theta.mean + (u - theta.mean) @ known.T
        left = theta.covariance - known @ theta.covariance
    both = np.hstack([u, particles.slopes(theta)[particles.of_class]])
    first = weight @ both
    apart = both - first
    second = np.outer(first, first) + (apart * weight[:, None]).T @ apart
    second[:size, :size] += 0.5 * (left + left.T)
    squares = weight @ particles.squares_at(theta)
    return Contribution(
        first, second, weight @ particles.residuals.count, squares, of_classes(particles, weight), gain
    )  # fmt: skip


def of_classes(particles: Particles, weight: Floats) -> Floats:
    """How probable each class is (K,); nothing without classes."""
    found = np.bincount(particles.of_class, weight, len(particles.anchor.classes))
    return np.asarray(found[: len(particles.anchor.values)], dtype=np.float64)


def reweighed(particles: Particles, theta: Theta) -> tuple[Floats, float]:
    """Log weights (N,) under ``theta``, and log p(y | theta) less that under what the particles were weighed under."""
    return normalised(particles.log_weight(theta))


def reach(particles: Particles, theta: Theta) -> Reach:
    """How far a patient's particles reach towards ``theta``, those of each class that is not improbable."""
    log_weight, _ = reweighed(particles, theta)
    found = []
    for at in range(len(particles.anchor.classes)):
        own = log_weight[particles.of_class == at]
        if len(own) and (whole := float(np.exp(own).sum())) >= IMPROBABLE:
            found.append((effective_size(own - np.log(whole)) / len(own), tail_shape(own)))
    share, tail = min(share for share, _ in found), max(tail for _, tail in found)
    bent = np.abs(theta.scatter - particles.under.scatter)[~particles.residuals.exact]
    untold = np.concatenate([particles.untold(theta) / LEFT_OUT, bent / BENT])
    return Reach(particles.patient_id, share, tail, float(untold.max(initial=0.0)))


def score(particles: Particles, theta: Theta, pairs: tuple[tuple[int, int], ...]) -> Floats:
    """d log p(y | theta) / d (mean, covariances of ``pairs``, coefficients, log sizes of errors, logits of shares), by
    Fisher's identity: (d + len(pairs) + q + o + K - 1,)."""
    log_weight, _ = reweighed(particles, theta)
    weight = np.exp(log_weight)
    precision = np.linalg.inv(theta.covariance + np.diag(particles.widening))
    apart = particles.effects(theta) - theta.mean
    pulled = precision @ (weight @ apart)
    spread = precision @ ((apart * weight[:, None]).T @ apart) @ precision
    each = [(0.5 if i == j else 1.0) * (spread[i, j] - precision[i, j]) for i, j in pairs]
    by_coefficient = np.zeros(len(theta.coefficients))
    for at, slopes in enumerate(particles.slopes(theta)):
        mine = particles.of_class == at
        own = precision @ (weight[mine] @ apart[mine])
        for (coefficient, parameter), slope in zip(particles.anchor.effects, slopes, strict=True):
            by_coefficient[coefficient] += slope * own[parameter]
    by_size = weight @ (particles.squares_at(theta) - particles.residuals.count)
    by_share = (of_classes(particles, weight) - theta.shares)[:-1]
    return np.concatenate([pulled, each, by_coefficient, by_size, by_share])
