"""A ward that begins with a wrong population: who its patients really are, and what maximum likelihood would find.

The true model is a version of the published one with another population. Patients are treated by the model's own
design, each measured a few times, as one is for drug monitoring. What is learnt from their twins is held against
maximum likelihood on the same records, which is found without any particle: the likelihood of every record is worked
out on a grid over all that patients may be, once, and only the population that weighs the nodes is changed until their
sums are largest. The grid is even (the trapezoidal rule, whose error falls faster than any power of its spacing:
Trefethen & Weideman 2014, SIAM Rev 56:385), and the same for all: a low level under a proportional error is either of
somebody whose levels are low or a bad measurement of high ones, and a rule about one mode, as Gauss and Hermite's, sees
one of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twin.arrays import Floats
from twin.filter.weighing import datum_scatter
from twin.kernel.kernel import Kernel
from twin.learning.estimation import distance
from twin.learning.following import Foreseen
from twin.learning.maximisation import maximised
from twin.learning.population import Anchor, Particles, Theta
from twin.learning.sums import sums_of
from twin.model.spec import Model
from twin.observation.scatter import sized
from twin.patient.accounts.initial_effects import Residuals
from twin.randomness import generator
from twin.solver.step_control import step_sizes_for
from twin.study.design import Design, design
from twin.study.prediction import Predictor
from twin.study.simulation import simulate
from twin.timeline.timeline import Timeline

LEVELS = 4
"""Levels that are drawn of each patient, evenly among those of the model's design."""

SPACING, REACH = 0.2, 7.0
"""Of the grid, in published standard deviations: between nodes, and to either side of the published typical patient. No
patient is known to less than a spacing, and a population an SD off and half as wide again is still whole in it."""

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
    name = f"L{seed}-{number}"
    return LearningPatient(number, name, simulate(Predictor(truth, name), true_effects(truth.model, name), plan))


def true_effects(truth: Model, name: str) -> Floats:
    """Who a patient really is: eta (d,)."""
    return np.asarray(np.linalg.cholesky(truth.omega) @ generator(name, "who").standard_normal(len(truth.eta_names)))


def exact_population(kernel: Kernel, anchor: Anchor, timelines: Sequence[Timeline]) -> Theta:
    """Maximum likelihood of ``kernel``'s model on whole records, of all numbers that ``anchor`` learns.

    Covariates of a record hold still, and all values are measured ones. Parameters that differ between patients are
    few: the grid has 71 nodes for each.
    """
    axis = np.arange(-REACH, REACH + SPACING / 2.0, SPACING)
    nodes = np.stack(np.meshgrid(*[axis] * len(anchor.sd), indexing="ij"), axis=-1).reshape(-1, len(anchor.sd))
    patients = []
    for number, timeline in enumerate(timelines):
        predictor = Predictor(kernel, str(number), step_sizes_for(kernel, timeline.delivered))
        eta = nodes * anchor.sd
        widening = timeline.widening / anchor.sd**2
        # Of an even grid a node's likelihood takes the place of a particle's weight over its prior density.
        likelihood = predictor.log_likelihood(eta, timeline)
        row = timeline.covariates[-1].tolist()
        covariates = {c.name: value for c, value in zip(kernel.model.covariates, row, strict=False)}
        patients.append(
            Particles(
                str(number), nodes, likelihood, widening, covariates, 0.0, 1,
                anchor, anchor.published, covariates, covariates, _residuals(predictor, eta, timeline),
                np.zeros(len(nodes), np.int64),
            )
        )  # fmt: skip
    theta = anchor.published
    for _ in range(STEPS):
        sums = sums_of(patients, theta)
        before, theta = theta, maximised(anchor, theta, sums)
        if distance(before, theta) < SETTLED:
            break
    return theta


def _residuals(predictor: Predictor, eta: Floats, timeline: Timeline) -> Residuals:
    """What the values of a record, all of them certain, say of the sizes of their errors, given eta (N, d)."""
    model = predictor.kernel.model
    numbers = [i for i, output in enumerate(model.outputs) if sized(output)]
    found = Residuals.none(len(eta), len(numbers))
    rows = predictor.rows(eta, timeline, timeline.observations)
    for observation, row in zip(timeline.observations, rows, strict=True):
        if not {*numbers} & {*observation.reads}:
            continue
        said = datum_scatter(predictor.kernel, observation, row)
        for number, one in zip(observation.reads, said, strict=True):
            if number in numbers:
                found.count[:, numbers.index(number)] += one.count
                found.squares[:, numbers.index(number)] += one.squares
    return found


def log_errors(foreseen: Sequence[Foreseen]) -> Floats:
    """|log(value / predicted median)| of every value that has one."""
    pairs = [(one.value, one.median) for one in foreseen if one.value > 0 and one.median > 0]
    return np.abs([np.log(value / median) for value, median in pairs])
