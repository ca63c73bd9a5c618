"""Individual diagnostics: how one patient's values lie about the individual and about the population's predictions.

    PRED    prediction of the typical patient (eta = 0)
    IPRED   prediction at the patient's own random effects, as a rule the posterior mode
    IWRES   (y - IPRED) / residual SD at IPRED, on the logarithm for outputs whose error is on it
    NPDE    normalised prediction distribution error

For the NPDE (Brendel et al. 2006, Pharm Res 23:2036; Comets et al. 2008, Comput Methods Programs Biomed 90:154) the
patient's whole design is simulated K times from the population, and values and simulations are decorrelated with the
mean E and the Cholesky factor L of the simulations' covariance:

    y* = L^-1 (y - E),   pde = #{y*_sim < y*} / K,   npde = Phi^-1(pde).

Under a right model the NPDE of all values are independent and standard normal. A value known only to lie beyond a limit
takes a random place among the simulations there (Nguyen et al. 2012, J Pharmacokinet Pharmacodyn 39:499). Discrete
values take a random place among their equals and are not decorrelated; what is awaited is itself the time of its
measurement, and has no NPDE. What has no standard deviation (a grade, an event) has no IWRES.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.linalg import solve_triangular

from twin.arrays import Floats
from twin.filter.belief import prior
from twin.model.spec import OutputSpec
from twin.observation.kinds import kind_of
from twin.observation.observation import Observation, output_of
from twin.randomness import generator
from twin.solver.effects import Effects
from twin.study.prediction import Predictor
from twin.timeline.covariates import widened
from twin.timeline.timeline import Timeline

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
        iwres: (n,), NaN for censored values and where there is none.
        npde: (n,), NaN for what is awaited.
        simulated: (K, n) values that the population would have given in their place.
    """

    observations: tuple[Observation, ...]
    population: Floats
    individual: Floats
    iwres: Floats
    npde: Floats
    simulated: Floats


def diagnose(predictor: Predictor, timeline: Timeline, effects: Effects, replicates: int = REPLICATES) -> Diagnosis:
    """Diagnostics of all the observations of ``timeline`` at the patient's own ``effects``, of one particle."""
    seen = timeline.observations
    outputs = [output_of(predictor.kernel.model.outputs, observation) for observation in seen]
    typical = np.zeros((1, len(predictor.kernel.model.eta_names)))
    population, individual = (predictor.predictions(each, timeline, seen)[:, 0] for each in (typical, effects))
    iwres = [_weighted(*each) for each in zip(seen, outputs, individual, strict=True)]
    simulations = simulated(predictor, timeline, max(replicates, PER_VALUE * len(seen)))
    rng = generator(predictor.patient_id, "npde")
    errors = npde(seen, outputs, simulations, rng)
    return Diagnosis(seen, population, individual, np.array(iwres), errors, simulations)


def simulated(predictor: Predictor, timeline: Timeline, replicates: int) -> Floats:
    """Values (K, n) of ``replicates`` patients of the population with this patient's doses, covariates and times."""
    rng = generator(predictor.patient_id, "simulated")
    name, model = f"{predictor.patient_id} simulated", predictor.kernel.model
    population = predictor.effects(prior(widened(model, timeline.widening), replicates, name).eta, name)
    every = predictor.rows(population, timeline, timeline.observations)
    outputs = [output_of(model.outputs, observation) for observation in timeline.observations]
    drawn = [
        kind_of(output).at_levels(output, rows, rng.random((replicates, 1)))
        for output, rows in zip(outputs, every, strict=True)
    ]
    return np.array(drawn).reshape(len(every), replicates).T


def npde(
    observations: Sequence[Observation], outputs: Sequence[OutputSpec], simulated: Floats, rng: np.random.Generator
) -> Floats:
    """NPDE (n,) of observations of ``outputs`` (n,) whose design was simulated, (K, n); ``rng`` breaks ties."""
    usable = simulated[np.isfinite(simulated).all(axis=1)]
    below = np.full(len(observations), np.nan)
    values = [_stated(observation, usable[:, i], rng) for i, observation in enumerate(observations)]
    kinds = [kind_of(output) for output in outputs]
    smooth = [i for i, kind in enumerate(kinds) if not kind.discrete]
    if smooth:
        scaled = np.column_stack([kinds[i].on_scale(outputs[i], usable[:, i]) for i in smooth])
        own = np.array([kinds[i].on_scale(outputs[i], np.array([values[i]]))[0] for i in smooth])
        mean = scaled.mean(axis=0)
        factor = np.linalg.cholesky(_covariance(scaled))
        apart = solve_triangular(factor, (scaled - mean).T, lower=True)
        below[smooth] = (apart < solve_triangular(factor, own - mean, lower=True)[:, None]).mean(axis=1)
    for i, kind in enumerate(kinds):
        if kind.discrete and not kind.awaited:
            share = rng.random()
            below[i] = (usable[:, i] < values[i]).mean() + share * (usable[:, i] == values[i]).mean()
    edge = 0.5 / len(usable)
    return np.asarray(special.ndtri(np.clip(below, edge, 1 - edge)))


def _weighted(observation: Observation, output: OutputSpec, predicted: float) -> float:
    """IWRES of one value."""
    if observation.below is not None or observation.above is not None:
        return np.nan
    return kind_of(output).iwres(output, observation.value, predicted)


def _stated(observation: Observation, simulated: Floats, rng: np.random.Generator) -> float:
    """The value, or where it is only known to be beyond a limit one of the simulated values there."""
    if observation.below is not None:
        limit, there = observation.below, simulated[simulated < observation.below]
    elif observation.above is not None:
        limit, there = observation.above, simulated[simulated > observation.above]
    else:
        return observation.value
    return float(there[rng.integers(len(there))]) if len(there) else limit


def _covariance(values: Floats) -> Floats:
    """Covariance (n, n), positive definite also where two values share everything but rounding."""
    covariance = np.atleast_2d(np.cov(values, rowvar=False))
    return np.asarray(covariance + 1e-10 * np.diag(np.diag(covariance) + 1e-300))
