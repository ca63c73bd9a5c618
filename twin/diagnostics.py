"""Individual diagnostics: how one patient's values lie about the individual and about the population's predictions.

    PRED    prediction of the typical patient (eta = 0)
    IPRED   prediction at the patient's own eta, as a rule the posterior mode
    IWRES   (y - IPRED) / residual SD at IPRED, on the logarithm for outputs whose error is on it
    NPDE    normalised prediction distribution error

For the NPDE (Brendel et al. 2006, Pharm Res 23:2036; Comets et al. 2008, Comput Methods Programs Biomed 90:154) the
patient's whole design is simulated K times from the population, and values and simulations are decorrelated with the
mean E and the Cholesky factor L of the simulations' covariance:

    y* = L^-1 (y - E),   pde = #{y*_sim < y*} / K,   npde = Phi^-1(pde).

Under a right model the NPDE of all values are independent and standard normal. A value known only to lie below a limit
takes a random place among the simulations under it (Nguyen et al. 2012, J Pharmacokinet Pharmacodyn 39:499).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.linalg import solve_triangular

from twin import residual
from twin.belief import generator, prior
from twin.kernel import Floats
from twin.models import ErrorSpec
from twin.timeline import Observation, Timeline
from twin.trunk import Trunk

REPLICATES = 1000
"""Simulations of a patient's design; a patient with many values gets `PER_VALUE` for each of them."""

PER_VALUE = 10
"""Least simulations for each value of a patient: a covariance matrix needs several times its size in draws."""


@dataclass(frozen=True)
class Diagnosis:
    """One patient's n values, in event-time order.

    Attributes:
        observations: the values.
        population: (n,) PRED, in the outputs' units.
        individual: (n,) IPRED, in the outputs' units.
        iwres: (n,), NaN for censored values.
        npde: (n,).
        simulated: (K, n) values that the population would have given in their place.
    """

    observations: tuple[Observation, ...]
    population: Floats
    individual: Floats
    iwres: Floats
    npde: Floats
    simulated: Floats


def diagnose(trunk: Trunk, timeline: Timeline, eta: Floats, replicates: int = REPLICATES) -> Diagnosis:
    """Diagnostics of all the observations of ``timeline`` at the patient's own ``eta`` (d,)."""
    seen = timeline.observations
    errors = [trunk.kernel.model.outputs[observation.output].error for observation in seen]
    population, individual = trunk.predictions(np.vstack([np.zeros_like(eta), eta]), timeline, seen).T
    iwres = [
        float(residual.standardised(error, observation.value, np.array([at]))[0])
        if observation.below is None
        else np.nan
        for observation, error, at in zip(seen, errors, individual, strict=True)
    ]
    simulations = simulated(trunk, timeline, max(replicates, PER_VALUE * len(seen)))
    rng = generator(trunk.patient_id, "npde")
    return Diagnosis(seen, population, individual, np.array(iwres), npde(seen, errors, simulations, rng), simulations)


def simulated(trunk: Trunk, timeline: Timeline, replicates: int) -> Floats:
    """Values (K, n) of ``replicates`` patients of the population with this patient's doses, covariates and times."""
    rng = generator(trunk.patient_id, "simulated")
    eta = prior(trunk.kernel.model, replicates, f"{trunk.patient_id} simulated").eta
    predicted = trunk.predictions(eta, timeline, timeline.observations)
    outputs = trunk.kernel.model.outputs
    drawn = [
        residual.drawn(outputs[observation.output].error, row, rng)
        for observation, row in zip(timeline.observations, predicted, strict=True)
    ]
    return np.array(drawn).reshape(len(predicted), replicates).T


def npde(
    observations: Sequence[Observation], errors: Sequence[ErrorSpec], simulated: Floats, rng: np.random.Generator
) -> Floats:
    """NPDE (n,) of observations whose design was simulated, ``simulated`` (K, n); ``rng`` places censored values."""
    usable = simulated[np.isfinite(simulated).all(axis=1)]
    logged = np.array([error.kind == "log_additive" for error in errors], dtype=bool)
    values = np.array([_stated(o, usable[:, i], rng) for i, o in enumerate(observations)])
    if not len(values):
        return values
    usable, values = _on_scale(usable, logged), _on_scale(values, logged)
    mean = usable.mean(axis=0)
    factor = np.linalg.cholesky(_covariance(usable))
    decorrelated = solve_triangular(factor, (usable - mean).T, lower=True)
    own = solve_triangular(factor, values - mean, lower=True)
    below = (decorrelated < own[:, None]).mean(axis=1)
    edge = 0.5 / len(usable)
    return np.asarray(special.ndtri(np.clip(below, edge, 1 - edge)))


def _stated(observation: Observation, simulated: Floats, rng: np.random.Generator) -> float:
    """The value, or where it is only known to be below a limit one of the simulated values there."""
    if observation.below is None:
        return observation.value
    under = simulated[simulated < observation.below]
    return float(under[rng.integers(len(under))]) if len(under) else observation.below


def _on_scale(values: Floats, logged: Floats) -> Floats:
    return np.where(logged, np.log(np.maximum(values, residual.SMALLEST)), values)


def _covariance(values: Floats) -> Floats:
    """Covariance (n, n), positive definite also where two values share everything but rounding."""
    covariance = np.atleast_2d(np.cov(values, rowvar=False))
    return np.asarray(covariance + 1e-10 * np.diag(np.diag(covariance) + 1e-300))
