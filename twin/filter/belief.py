"""What is believed about a patient: weighted particles over eta, the individual random effects.

With occasions or drift a particle is more than eta; see `twin.solver.effects`.

Particles and their weights are rounded to float32 where they are made, so that what is stored is exactly what was
computed with; all arithmetic is float64. Randomness is counter-based and keyed by (patient, datum, purpose): the same
history draws the same numbers, whoever computes it and however often (Salmon et al. 2011, "Parallel random numbers: as
easy as 1, 2, 3").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from twin.arrays import Floats, storable
from twin.model.spec import Model
from twin.randomness import even_normals, generator
from twin.resting_arrays import Resting
from twin.timeline.segments import STILL, Layout


@dataclass(frozen=True)
class Belief(Resting):
    """Weighted particles.

    Attributes:
        eta: (N, K) random effects, float64 values that are exact in float32, columns as ``layout`` says: (N, d) eta
            alone for a model without occasions and drift.
        log_weight: (N,) normalised, so that exp sums to one; exact in float32, as eta is.
        log_evidence: log p(observations so far).
        observations: how many have been assimilated.
    """

    RESTS: ClassVar[Mapping[str, str]] = {"eta": "<f4", "log_weight": "<f4"}

    eta: Floats
    log_weight: Floats
    log_evidence: float = 0.0
    observations: int = 0
    layout: Layout = STILL

    @property
    def weight(self) -> Floats:
        """Normalised weights (N,): they sum to one as closely as numbers do, their logarithms within rounding."""
        return np.exp(normalised(self.log_weight)[0])

    @property
    def ess(self) -> float:
        """Effective sample size, 1 / sum w^2 (Kong et al. 1994)."""
        return effective_size(normalised(self.log_weight)[0])


def prior(model: Model, particles: int, patient_id: str) -> Belief:
    """The population: eta ~ N(0, omega), equally weighted, spread evenly."""
    draws = even_normals(generator(patient_id, "prior"), particles, len(model.eta_names))
    factor = np.linalg.cholesky(model.omega) if model.eta_names else np.zeros((0, 0))
    return Belief(storable(draws @ factor.T), storable(np.full(particles, -np.log(particles))))


def normalised(log_weight: Floats) -> tuple[Floats, float]:
    """Log weights that sum to one, and the log of what they summed to."""
    top = float(log_weight.max())
    if not np.isfinite(top):
        return np.full_like(log_weight, -np.log(len(log_weight))), -np.inf
    total = top + float(np.log(np.exp(log_weight - top).sum()))
    return log_weight - total, total


def effective_size(log_weight: Floats) -> float:
    """1 / sum w^2 of normalised log weights."""
    return float(1.0 / np.exp(2.0 * log_weight).sum())
