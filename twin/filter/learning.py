"""One measured value assimilated: the trunk brought to it, what was expected of it, and the belief after it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twin.arrays import Floats
from twin.clock import UNIT_MS
from twin.filter.assimilate import Diagnostics, assimilate
from twin.filter.belief import Belief
from twin.filter.expectation import Expectation, expectation
from twin.filter.modes.objective import Responder
from twin.filter.modes.peaks import Peaks, seek
from twin.filter.stage import Weighed
from twin.filter.trunk import Trunk, TrunkPosition, present
from twin.filter.weighing import datum_log_likelihood, grid_stops, read_uncertain, weigh
from twin.observation.likelihood import output_of
from twin.observation.observation import Observation
from twin.randomness import generator
from twin.solver.effects import Law, fixed, law, reaching
from twin.solver.solver import Plans, Solver
from twin.timeline.covariates import widened
from twin.timeline.timeline import Timeline

WIDEST = 8.0
"""Prior standard deviations beyond which no patient is looked for (prior probability 1e-15)."""


@dataclass(frozen=True, slots=True)
class Assimilated:
    """One measured value and what it met.

    Attributes:
        observation: the value.
        rows: (R, N) what the likelihood read of the particles before it.
        expected: the predictive distribution that they made, and where the value fell in it.
        population_median: the typical patient's prediction.
        log_evidence: log p(value | earlier values).
        diagnostics: what Bayes' rule took.
    """

    observation: Observation
    rows: Floats
    expected: Expectation
    population_median: float
    log_evidence: float
    diagnostics: Diagnostics


def learn(
    trunk: Trunk, position: TrunkPosition, timeline: Timeline, observation: Observation
) -> tuple[TrunkPosition, Assimilated]:
    """Bring the trunk to a measured value, the next of the timeline's, and assimilate it."""
    position = trunk.forward(position, timeline, observation.millis)
    cloud, typical, past = present(position)
    belief = _reaching(trunk, position.belief, timeline, observation.millis)
    solver, seen = trunk.solver(belief), timeline.observations[: belief.observations + 1]
    uncertain = None
    if observation.moments:
        uncertain = read_uncertain(solver, cloud, trunk.origin(solver, belief, timeline), timeline, seen, trunk.grid)
    at = np.array([observation.millis], dtype=np.int64)
    plans: Plans = {}
    cloud, out = solver.with_plans(plans).advance(cloud, timeline, observation.millis, at)
    typical, alone = trunk.typical_solver.with_plans(plans).advance(typical, timeline, observation.millis, at)
    rows = trunk.kernel.read(out[0], *observation.reads)
    read = rows if uncertain is None else uncertain
    expected = _expected(trunk, observation, read, belief.weight)
    prior = law(widened(trunk.kernel.model, timeline.widening), belief.layout)
    weighed = Weighed(belief.eta, past, datum_log_likelihood(trunk.kernel, observation, read))
    weigher, before = _Weigher(trunk, prior, belief, timeline), belief.log_evidence
    name = _name(trunk, observation)
    belief, weighed, diagnostics = assimilate(prior, belief, weighed, weigher, name, weigher.seek)
    gained, renewed, past = belief.log_evidence - before, diagnostics.stages > 0, weighed.past + weighed.last
    settled = _settled(trunk, belief, timeline, observation.millis, moved=renewed)
    if renewed or settled is not belief:
        # The particles are new, or begin elsewhere: their clouds come from the solver that will carry them on.
        solver = trunk.solver(settled).with_plans(weigher.plans)
        cloud, earlier, last = weigh(solver, trunk.origin(solver, settled, timeline), timeline, seen, trunk.grid)
        past = earlier + last
    population = float(alone[0, observation.output, 0])
    assimilated = Assimilated(observation, rows, expected, population, gained, diagnostics)
    return TrunkPosition(settled, cloud, typical, past), assimilated


def _name(trunk: Trunk, observation: Observation) -> tuple[object, ...]:
    """Names the randomness of a datum by what it is, whichever id its source gave it."""
    output = trunk.kernel.model.outputs[observation.output].name
    return trunk.patient_id, observation.millis, output, observation.number


def _expected(trunk: Trunk, observation: Observation, read: Floats, weight: Floats) -> Expectation:
    share = float(generator(*_name(trunk, observation), "pit").random())
    return expectation(output_of(trunk.kernel.model.outputs, observation), observation, read, weight, share)


class _Weigher:
    """Solves the record up to the datum after a belief for other particles (`twin.filter.stage.Weigher`)."""

    def __init__(self, trunk: Trunk, prior: Law, belief: Belief, timeline: Timeline) -> None:
        self.trunk = trunk
        self.belief = belief
        self.timeline = timeline
        self.precision: Floats = np.linalg.inv(prior.covariance).astype(np.float64)
        self.widest = np.append(WIDEST * prior.sd, np.full(belief.eta.shape[1] - prior.size, np.inf))
        self.seen = timeline.observations[: belief.observations + 1]
        # Whatever is drawn takes the same steps, but for branches off the way that a sample of uncertain time needs.
        self.plans: Plans | None = None if any(observation.moments for observation in self.seen) else {}

    def __call__(self, eta: Floats) -> Weighed:
        trunk, timeline = self.trunk, self.timeline
        inside = np.clip(eta, -self.widest, self.widest)
        effects = trunk.effects(self.belief, inside)
        solver = Solver(trunk.kernel, effects, trunk.step_sizes, shared=False, plans=self.plans)
        origin = trunk.origin(solver, replace(self.belief, eta=inside), timeline)
        _, past, last = weigh(solver, origin, timeline, self.seen, trunk.grid)
        return Weighed(eta, past, np.where((inside == eta).all(axis=1), last, -np.inf))

    def seek(self, eta: Floats, log_density: Floats, rng: np.random.Generator) -> Peaks:
        """Peaks of the posterior after the datum."""
        responder = Responder(self.trunk.kernel, self.trunk.step_sizes, self.timeline, self.seen)
        return seek(responder, self.precision, eta, log_density, rng)


def _reaching(trunk: Trunk, belief: Belief, timeline: Timeline, millis: int) -> Belief:
    """The belief with the effects of every segment that begins before ``millis``."""
    key, model = (trunk.patient_id,), trunk.kernel.model
    layout, eta = reaching(model, belief.layout, belief.eta, timeline.segments, millis, key)
    return belief if layout == belief.layout else replace(belief, layout=layout, eta=eta)


def _settled(trunk: Trunk, belief: Belief, timeline: Timeline, millis: int, *, moved: bool) -> Belief:
    """The belief with what is older than a drift's lag fixed: after a move, or when as much again could be."""
    model = trunk.kernel.model
    if model.drift is None:
        return belief
    lag, grid = (round(span * UNIT_MS[model.time_unit]) for span in (model.drift.lag, model.drift.grid))
    since = (millis - lag) // grid * grid
    before = timeline.start if belief.layout.since is None else belief.layout.since
    if since <= before or not (moved or since - before >= lag):
        return belief
    solver = trunk.solver(belief)
    origin = trunk.origin(solver, belief, timeline)
    cloud, _ = solver.advance(origin, timeline, since, stops=grid_stops(origin.millis, since, trunk.grid))
    states = np.hstack(solver.natural(cloud, timeline))
    layout, eta = fixed(model, belief.layout, belief.eta, timeline.segments, since, states)
    return replace(belief, layout=layout, eta=eta)
