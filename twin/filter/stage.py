"""A weighted cloud on its way through one datum: particles with likelihoods, and what they are weighed against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.belief import effective_size
from twin.solver.effects import Law

LEAST = 0.002
"""Part of the weight below which it need not be known what a few particles stand for."""


class Weigher(Protocol):
    """Solves the history for eta (N, K) and weighs it: see `Weighed`."""

    def __call__(self, eta: Floats) -> Weighed: ...


@dataclass
class Weighed:
    """Particles eta (N, K) with log-likelihoods (N,) of all earlier data, and of the datum being assimilated.

    The first columns of eta are free, as many as the prior's law has; data before what a particle carries are left out.
    """

    eta: Floats
    past: Floats
    last: Floats

    def take(self, index: NDArray[np.int64]) -> Weighed:
        """The particles at ``index``."""
        return Weighed(self.eta[index], self.past[index], self.last[index])

    def joined(self, other: Weighed) -> Weighed:
        """These particles and others."""
        pairs = ((self.eta, other.eta), (self.past, other.past), (self.last, other.last))
        return Weighed(*(np.concatenate(pair) for pair in pairs))


Target = Callable[[Weighed], Floats]


@dataclass(frozen=True)
class Stage:
    """A weighted cloud that stands for prior * past * last^phi, with the log of what that integrates to."""

    cloud: Weighed
    log_weight: Floats
    log_evidence: float
    draws: int = 0
    sweeps: int = 0
    moved: float = 0.0

    @property
    def ess(self) -> float:
        """Effective sample size."""
        return effective_size(self.log_weight)


def target_of(law: Law, phi: float) -> Target:
    """log(prior * past * last^phi) of a cloud (N,), up to the law's constant."""

    def log_target(cloud: Weighed) -> Floats:
        value = law.log_density(cloud.eta) + cloud.past + phi * cloud.last
        return np.where(np.isnan(value), -np.inf, value)

    return log_target


def least_ess(log_weight: Floats, part: NDArray[np.int64], before: Floats | None = None) -> float:
    """The least ESS of the particles of one ``part`` (N,), of the parts that have weight.

    A part has weight if it had `LEAST` of it by the log weights ``before`` (N,), by default the same.
    """
    weight = np.exp(log_weight)
    total, squares = np.bincount(part, weights=weight), np.bincount(part, weights=weight * weight)
    had = total if before is None else np.bincount(part, weights=np.exp(before))
    own = total * total / np.maximum(squares, np.finfo(np.float64).tiny)
    return float(own[had > LEAST].min(initial=np.inf))
