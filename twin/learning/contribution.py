"""What one patient adds to the sums of an iteration, at a population that is tried (the E-step).

    v_k  ~  (w_k / q_k) p(z_k | theta),      gain = log sum_k (w_k / q_k) p(z_k | theta)

so that gain is log p(y | theta) - log p(y | theta_0), and moments under v are those of the posterior under theta. Where
a characteristic was never reported, z is what the population gives, u, and what the patient's unknown one adds, m:

    z = u + m,  u ~ N(mean, Omega),  m ~ N(0, W):     E[u | z] = mean + G (z - mean),   Var[u | z] = Omega - G Omega,
    G = Omega (Omega + W)^-1,

so that not knowing a weight does not make the population look wider than it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.filter.belief import effective_size, normalised
from twin.learning.pareto import TRUSTED, tail_shape
from twin.learning.population import Particles, Theta, log_density

LEAST_SHARE = 0.1
"""Least effective share of a patient's particles."""


@dataclass(frozen=True, eq=False)
class Contribution:
    """One patient's part: moments (d,) and (d, d) of u, and the gain."""

    first: Floats
    second: Floats
    gain: float


@dataclass(frozen=True)
class Reach:
    """Whether a patient's particles reach a population: the effective share of them, and the shape of the tail."""

    patient_id: str
    ess_share: float
    tail: float

    @property
    def holds(self) -> bool:
        """Otherwise the patient is to be folded again under that population."""
        return self.ess_share >= LEAST_SHARE and self.tail <= TRUSTED


def contribution(particles: Particles, theta: Theta) -> Contribution:
    """What a patient adds at ``theta``."""
    log_weight, gain = reweighed(particles, theta)
    weight = np.exp(log_weight)
    mean = weight @ particles.z
    apart = particles.z - mean
    scatter = (apart * weight[:, None]).T @ apart
    if particles.widening.any():
        known = theta.covariance @ np.linalg.inv(theta.covariance + np.diag(particles.widening))
        mean = theta.mean + known @ (mean - theta.mean)
        left = theta.covariance - known @ theta.covariance
        scatter = known @ scatter @ known.T + 0.5 * (left + left.T)
    return Contribution(mean, scatter + np.outer(mean, mean), gain)


def reweighed(particles: Particles, theta: Theta) -> tuple[Floats, float]:
    """Log weights (N,) under ``theta``, and log p(y | theta) - log p(y | theta_0)."""
    return normalised(particles.log_ratio + log_density(particles.z, theta, particles.widening))


def reach(particles: Particles, theta: Theta) -> Reach:
    """How far a patient's particles reach towards ``theta``."""
    log_weight, _ = reweighed(particles, theta)
    share = effective_size(log_weight) / len(log_weight)
    return Reach(particles.patient_id, share, tail_shape(log_weight))


def score(particles: Particles, theta: Theta, pairs: tuple[tuple[int, int], ...]) -> Floats:
    """d log p(y | theta) / d (mean, covariances of ``pairs``), (d + len(pairs),), by Fisher's identity."""
    log_weight, _ = reweighed(particles, theta)
    weight = np.exp(log_weight)
    precision = np.linalg.inv(theta.covariance + np.diag(particles.widening))
    apart = particles.z - theta.mean
    pulled = precision @ (weight @ apart)
    spread = precision @ ((apart * weight[:, None]).T @ apart) @ precision
    each = [(0.5 if i == j else 1.0) * (spread[i, j] - precision[i, j]) for i, j in pairs]
    return np.concatenate([pulled, each])
