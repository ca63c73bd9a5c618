"""The empirical Bayes estimate of one patient: that of a post hoc step, and the mode of a belief.

`post_hoc` takes a finished record, from a cold start. Its covariance is that of first-order conditional estimation, and
the objective function value is the patient's part of its marginal -2 log likelihood (Wang 2007, J Pharmacokinet
Pharmacodyn 34:575),

    OFV = 2 U + log det omega - log det C,

with C the covariance of the random effects and U without the log(2 pi) / 2 of every measured value, as NONMEM leaves it
out. A value on a logarithmic scale counts with its density on the natural one.

Random effects are eta and, with occasions, a kappa for each that the data met; their omega has a block for each. With a
drift what each of its steps until the last value adds is estimated beside them, as a fit does.

`posterior_mode` starts from a belief and gives eta alone, with the covariance of the Laplace approximation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twin.arrays import Floats
from twin.filter.belief import Belief
from twin.filter.modes.mode import Mode, find_mode
from twin.filter.modes.objective import IMPOSSIBLE, Responder
from twin.kernel.arguments import StepSizes
from twin.kernel.kernel import Kernel
from twin.model.spec import Model
from twin.observation.kinds import kind_of
from twin.solver.effects import Effects, alone, columns, law
from twin.solver.linear_system import individual_parameters
from twin.timeline.covariates import widened
from twin.timeline.segments import ALWAYS, STILL, UNDIVIDED, Layout
from twin.timeline.timeline import Timeline


@dataclass(frozen=True)
class Estimated:
    """One patient's estimate.

    Attributes:
        eta, errors: (d,) random effects and their standard errors, as they were before any drift.
        kappa, kappa_errors: (occasions, o) the same of each occasion.
        occasions: ms at which each of those began (`twin.timeline.segments.EVER`: before the record).
        drifted, drifted_errors: (1 + steps, d) eta as it was at first and as far as each step took it, and the standard
            errors of that.
        steps: ms at which those of a drift were taken.
        effects: all of them through time, of one particle.
        parameters: (P,) individual parameters at the end of the data.
        ofv: objective function value.
        converged: whether the search settled, where the values are possible at all.
        modes: how many modes were found.
    """

    eta: Floats
    errors: Floats
    kappa: Floats
    kappa_errors: Floats
    occasions: tuple[int, ...]
    drifted: Floats
    drifted_errors: Floats
    steps: tuple[int, ...]
    effects: Effects
    covariance: Floats
    parameters: Floats
    ofv: float
    converged: bool
    modes: int


def post_hoc(kernel: Kernel, step_sizes: StepSizes, timeline: Timeline | None) -> Estimated:
    """The estimate from all that a timeline observed, from a cold start.

    Individual parameters hold under the newest covariates, on the last occasion that was observed and as far as they
    have drifted. A patient without a timeline, of whom nothing useful is known, is the typical one with the covariance
    of the population.
    """
    model = kernel.model
    population = widened(model, None if timeline is None else timeline.widening)
    if timeline is None or not timeline.observations:
        omega = law(population).covariance
        layout, mode = STILL, Mode(np.zeros(len(omega)), omega, 0.0, True)
    else:
        responder = Responder(kernel, step_sizes, timeline, timeline.observations, drifts=True)
        layout, omega = responder.layout, law(population, responder.layout).covariance
        mode = find_mode(responder, np.linalg.inv(omega).astype(np.float64), np.zeros(len(omega)))
    ofv = 2.0 * mode.objective + _log_det(omega) - _log_det(mode.covariance)
    effects = alone(model, layout, mode.eta[None])
    errors = np.sqrt(np.diag(mode.covariance))
    part = columns(model, layout)
    drifted, drifted_errors = _drifted(model, layout, mode)
    kappas = [row[part.first_kappa : part.first_step].reshape(-1, max(part.iov, 1)) for row in (mode.eta, errors)]
    return Estimated(
        mode.eta[part.base],
        errors[part.base],
        kappas[0],
        kappas[1],
        layout.occasions if part.iov else (),
        drifted,
        drifted_errors,
        layout.steps,
        effects,
        mode.covariance,
        _parameters(kernel, timeline, effects),
        ofv - (0 if timeline is None else _measured(model, timeline)) * float(np.log(2 * np.pi)),
        mode.converged and mode.objective < IMPOSSIBLE,
        mode.found,
    )


def posterior_mode(kernel: Kernel, step_sizes: StepSizes, belief: Belief, timeline: Timeline) -> Mode:
    """Posterior mode of eta (d,) given the data that a belief has assimilated, with its Laplace covariance (d, d).

    Effects of occasions are estimated beside eta and left out of what is returned. A drift is taken to stand still:
    this is the estimate that people know, of one eta for the whole record.
    """
    responder = Responder(kernel, step_sizes, timeline, timeline.observations[: belief.observations])
    prior = law(widened(kernel.model, timeline.widening), responder.layout)
    precision: Floats = np.linalg.inv(prior.covariance).astype(np.float64)
    start, dimension = np.zeros(prior.size), len(kernel.model.eta_names)
    if belief.layout.since is None:
        start[:dimension] = belief.weight @ belief.eta[:, :dimension]
    found = find_mode(responder, precision, start, laplace=True)
    return replace(found, eta=found.eta[:dimension], covariance=found.covariance[:dimension, :dimension])


def _drifted(model: Model, layout: Layout, mode: Mode) -> tuple[Floats, Floats]:
    """(1 + steps, d) eta as far as each step of a drift took it, and standard errors."""
    part, each = columns(model, layout), []
    sums = np.zeros((part.eta, len(mode.eta)))
    for columns_of in (part.base, *(part.increment(i) for i in range(len(layout.steps)))):
        sums[:, columns_of] = np.eye(part.eta)
        each.append((sums @ mode.eta, np.sqrt(np.einsum("ik,kl,il->i", sums, mode.covariance, sums))))
    return np.array([place for place, _ in each]), np.array([error for _, error in each])


def _measured(model: Model, timeline: Timeline) -> int:
    """Values on a continuous scale that are not just limits."""
    discrete = [kind_of(output).discrete for output in model.outputs]
    return sum(o.below is None and o.above is None and not discrete[o.output] for o in timeline.observations)


def _parameters(kernel: Kernel, timeline: Timeline | None, effects: Effects) -> Floats:
    if timeline is None or not timeline.observations:
        covariates = kernel.reference if timeline is None else timeline.covariates[-1]
        found = effects.lasting(UNDIVIDED, ALWAYS)
    else:
        # Just before the last datum: an occasion that begins with it was not yet observed.
        segment = timeline.segments.at(timeline.observations[-1].millis - 1)
        covariates, found = timeline.covariates[-1], effects.at(timeline.segments, segment)
    parameters: Floats = individual_parameters(kernel, found, covariates)[0]
    return parameters


def _log_det(matrix: Floats) -> float:
    return float(np.linalg.slogdet(matrix)[1]) if len(matrix) else 0.0
