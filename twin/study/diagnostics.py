"""Individual diagnostics: how one patient's values lie about the individual and about the population's predictions.

    PRED    prediction of the typical patient (eta = 0)
    IPRED   prediction at the patient's own random effects, as a rule the posterior mode
    IWRES   (y - IPRED) / residual SD at IPRED, on the logarithm for outputs whose error is on it
    NPDE    normalised prediction distribution error (`twin.population.diagnostics.npde`)

What has no standard deviation (a grade, an event) has no IWRES.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.filter.belief import prior
from twin.model.spec import OutputSpec
from twin.observation.kinds import kind_of
from twin.observation.likelihood import output_of
from twin.observation.observation import Observation
from twin.population.diagnostics.npde import PER_VALUE, npde
from twin.population.joint.drawn import levels_together
from twin.randomness import generator
from twin.solver.effects import Effects
from twin.study.prediction import Predictor
from twin.timeline.covariates import widened
from twin.timeline.timeline import Timeline

REPLICATES = 1000
"""Simulations of a patient's design; a patient with many values gets `PER_VALUE` for each of them."""


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
    errors = [output.error for output in model.outputs]
    levels = levels_together(timeline.observations, errors, rng.random((len(outputs), replicates)))
    drawn = [
        kind_of(output).at_levels(output, rows, level[:, None])
        for output, rows, level in zip(outputs, every, levels, strict=True)
    ]
    return np.array(drawn).reshape(len(every), replicates).T


def _weighted(observation: Observation, output: OutputSpec, predicted: float) -> float:
    """IWRES of one value."""
    if observation.below is not None or observation.above is not None:
        return np.nan
    return kind_of(output).iwres(output, observation.value, predicted)
