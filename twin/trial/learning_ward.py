"""A ward that begins with a wrong population: who its patients really are, and what maximum likelihood would find.

The true model is a version of the published one with another population. Patients are treated by the model's own
design, each measured a few times, as one is for drug monitoring. What is learnt from their twins is held against
maximum likelihood on the same records, which is found without any particle: the likelihood of every record is worked
out on a grid about the patient's mode (Gauss-Hermite quadrature, Pinheiro & Bates 1995), once, and only the population
that weighs the nodes is changed until their sums are largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from twin.arrays import Floats
from twin.filter.posthoc import post_hoc
from twin.kernel.kernel import Kernel
from twin.learning.estimation import distance
from twin.learning.following import Foreseen
from twin.learning.maximisation import maximised
from twin.learning.population import Anchor, Particles, Theta
from twin.learning.sums import sums_of
from twin.randomness import generator
from twin.solver.step_control import step_sizes_for
from twin.study.design import Design, design
from twin.study.prediction import Predictor
from twin.study.simulation import simulate
from twin.timeline.timeline import Timeline

LEVELS = 4
"""Levels that are drawn of each patient, evenly among those of the model's design."""

NODES = 15
"""Of the quadrature, in each dimension."""

WIDTH = 1.5
"""Of the grid over the patient's own uncertainty: a population that is learnt may pull beyond it."""

STEPS, SETTLED = 400, 1e-6
"""Most steps, and the last one's size in published standard deviations."""


@dataclass(frozen=True, eq=False)
class LearningPatient:
    """A patient of the ward: number, name, and the record."""

    number: int
    name: str
    timeline: Timeline


def monitored(kernel: Kernel) -> Design:
    """The design of a model with as many levels as are drawn on a ward."""
    whole = design(kernel)
    at = np.unique(np.linspace(0, len(whole.samples) - 1, LEVELS).round().astype(int))
    return replace(whole, samples=tuple(whole.samples[i] for i in at))


def learning_patient(truth: Kernel, plan: Design, number: int, seed: int) -> LearningPatient:
    """Patient ``number`` of a ward whose population is that of ``truth``."""
    name, model = f"L{seed}-{number}", truth.model
    eta = np.linalg.cholesky(model.omega) @ generator(name, "who").standard_normal(len(model.eta_names))
    return LearningPatient(number, name, simulate(Predictor(truth, name), eta, plan))


def exact_population(kernel: Kernel, anchor: Anchor, timelines: Sequence[Timeline]) -> Theta:
    """Maximum likelihood of ``kernel``'s model on whole records: mean (d,) and covariance (d, d) of z."""
    nodes, shares = hermegauss(NODES)
    dimension = len(anchor.sd)
    grid = np.stack(np.meshgrid(*[nodes] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    log_share = np.log(np.stack(np.meshgrid(*[shares] * dimension, indexing="ij"), axis=-1)).sum(axis=-1).ravel()
    log_share += 0.5 * (grid * grid).sum(axis=1)
    patients = []
    for number, timeline in enumerate(timelines):
        sizes = step_sizes_for(kernel, timeline.delivered)
        mode = post_hoc(kernel, sizes, timeline)
        factor = WIDTH * np.linalg.cholesky(mode.covariance)
        eta = mode.eta + grid @ factor.T
        likelihood = Predictor(kernel, str(number), sizes).log_likelihood(eta, timeline)
        volume = float(np.log(np.diag(factor)).sum())
        widening = timeline.widening / anchor.sd**2
        # A node's share of the integral over phi takes the place of a particle's weight over its prior density.
        patients.append(Particles(str(number), eta / anchor.sd, likelihood + log_share + volume, widening, {}, 0.0, 1))
    theta = anchor.published
    for _ in range(STEPS):
        sums = sums_of(patients, theta)
        before, theta = theta, maximised(anchor, theta, sums.patients, sums.first, sums.second)
        if distance(before, theta) < SETTLED:
            break
    return theta


def log_errors(foreseen: Sequence[Foreseen]) -> Floats:
    """|log(value / predicted median)| of every value that has one."""
    pairs = [(one.value, one.median) for one in foreseen if one.value > 0 and one.median > 0]
    return np.abs([np.log(value / median) for value, median in pairs])
