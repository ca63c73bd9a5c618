"""The trunk: one cloud per belief, carried along the timeline, and the likelihoods gathered on the way.

The trunk stops at measured values and on a fixed grid, never where somebody happened to look; everything else branches
off it. So a belief's cloud is a function of the history alone, and can be thrown away and solved again to the same
bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import UNIT_MS
from twin.filter.assimilate import Diagnostics, Weighed, assimilate
from twin.filter.belief import Belief
from twin.filter.expectation import Expectation, expectation
from twin.filter.mode import Mode, find_mode
from twin.filter.objective import Responder, bounded
from twin.kernel.kernel import Kernel
from twin.model.spec import Model
from twin.observation import likelihood
from twin.observation.observation import Observation
from twin.randomness import generator
from twin.solver.cloud import Cloud
from twin.solver.effects import Effects, columns, effects_of, fixed, law, reaching
from twin.solver.solver import Solver
from twin.solver.step_schedule import StepSizes
from twin.timeline.covariates import widened
from twin.timeline.segments import STILL
from twin.timeline.timeline import Timeline

WIDEST = 8.0
"""Prior standard deviations beyond which no patient is looked for (prior probability 1e-15)."""


class Rhythm(NamedTuple):
    """How often a twin speaks, ms: an estimate, a forecast, and how far that looks ahead."""

    estimate: int
    forecast: int
    horizon: int


def rhythm_of(model: Model) -> Rhythm:
    """The rhythm that a model file asks for."""
    unit, cadence = UNIT_MS[model.time_unit], model.cadence
    return Rhythm(round(cadence.estimate * unit), round(cadence.forecast * unit), round(cadence.horizon * unit))


@dataclass(frozen=True)
class TrunkPosition:
    """A belief and where its particles stand.

    Attributes:
        cloud: the particles at the newest trunk stop; ``None`` when forgotten (see `Trunk.remembered`).
        twig: the particles at the newest point of the estimate grid beyond that stop, if there is one: estimates step
            from one to the next instead of starting at the trunk each time.
        typical: the population's typical patient (eta = 0), one particle, at the same stop as ``cloud``.
        past: (N,) log-likelihood of all assimilated data, or of those since the belief's checkpoint.
    """

    belief: Belief
    cloud: Cloud | None
    typical: Cloud | None
    past: Floats | None
    grid_cloud: Cloud | None = None


@dataclass(frozen=True, slots=True)
class Assimilated:
    """One measured value and what it met: what the likelihood read of the particles (R, N), the expectation
    that makes, the population's prediction, log p(value | earlier values), and what Bayes' rule took."""

    observation: Observation
    rows: Floats
    expected: Expectation
    population_median: float
    log_evidence: float
    diagnostics: Diagnostics


class Trunk:
    """Carries positions of one patient forward (all methods return new positions)."""

    def __init__(self, kernel: Kernel, step_sizes: StepSizes, patient_id: str, rhythm: Rhythm | None = None) -> None:
        self.kernel = kernel
        self.step_sizes = step_sizes
        self.patient_id = patient_id
        self.cadence, self.grid, self.horizon = rhythm or rhythm_of(kernel.model)
        self._typical_solver = Solver(kernel, np.zeros((1, len(kernel.model.effect_names))), step_sizes)
        drift, unit = kernel.model.drift, UNIT_MS[kernel.model.time_unit]
        self._lag = None if drift is None else (round(drift.lag * unit), round(drift.grid * unit))

    def effects(self, belief: Belief, eta: Floats | None = None) -> Effects:
        """Random effects through time of a belief's particles, or of other ``eta`` laid out like theirs."""
        rows = belief.eta if eta is None else eta
        return effects_of(self.kernel.model, belief.layout, rows, (self.patient_id,))

    def another(self, eta: Floats, name: str) -> Effects:
        """Random effects through time of other patients with eta (N, d): occasions and drift are drawn for ``name``."""
        return effects_of(self.kernel.model, STILL, eta, (name,))

    def solver(self, belief: Belief) -> Solver:
        """The equations of a belief's particles."""
        return Solver(self.kernel, self.effects(belief), self.step_sizes)

    def begin(self, timeline: Timeline, belief: Belief) -> TrunkPosition:
        """The prior at the start of the timeline."""
        typical = self._typical_solver.initial(timeline)
        return TrunkPosition(belief, self.solver(belief).initial(timeline), typical, np.zeros(len(belief.eta)))

    def remembered(self, position: TrunkPosition, timeline: Timeline, until: int) -> TrunkPosition:
        """The position, its cloud solved again at the newest trunk stop not after ``until`` if it was forgotten."""
        if position.cloud is not None:
            return position
        stop = self._newest_stop(timeline, until, position.belief.observations)
        seen = timeline.observations[: position.belief.observations]
        solver = self.solver(position.belief)
        cloud, past, last = self._weigh(solver, self._origin(solver, position.belief, timeline), timeline, seen, stop)
        start = self._typical_solver.initial(timeline)
        met = np.array([observation.millis for observation in seen], dtype=np.int64)
        stops = np.union1d(self._stops(timeline.start, stop), met)
        typical, _ = self._typical_solver.advance(start, timeline, stop, stops=stops)
        return TrunkPosition(position.belief, cloud, typical, past + last if seen else past)

    def forward(self, position: TrunkPosition, timeline: Timeline, millis: int) -> TrunkPosition:
        """To the newest grid stop not after ``millis``."""
        cloud, typical, _ = _present(position)
        stop = millis // self.grid * self.grid
        if stop <= cloud.millis:
            return position
        stops = np.arange((cloud.millis // self.grid + 1) * self.grid, stop, self.grid, dtype=np.int64)
        cloud, _ = self.solver(position.belief).advance(cloud, timeline, stop, stops=stops)
        typical, _ = self._typical_solver.advance(typical, timeline, stop, stops=stops)
        return replace(position, cloud=cloud, typical=typical, grid_cloud=None)

    def advance_to_grid(self, position: TrunkPosition, timeline: Timeline, millis: int) -> TrunkPosition:
        """Bring the twig to the newest point of the estimate grid not after ``millis``."""
        cloud, _, _ = _present(position)
        grid_cloud = position.grid_cloud or cloud
        stop = millis // self.cadence * self.cadence
        if stop <= grid_cloud.millis:
            return position
        first = (grid_cloud.millis // self.cadence + 1) * self.cadence
        stops = np.arange(first, stop, self.cadence, dtype=np.int64)
        grid_cloud, _ = self.solver(position.belief).advance(grid_cloud, timeline, stop, stops=stops)
        return replace(position, grid_cloud=grid_cloud)

    def look(self, position: TrunkPosition, timeline: Timeline, marks: NDArray[np.int64]) -> Floats:
        """Outputs (M, O, N) of a branch at ``marks`` (ms, sorted, not before the twig or the trunk's stop)."""
        cloud, _, _ = _present(position)
        return self.solver(position.belief).advance(position.grid_cloud or cloud, timeline, int(marks[-1]), marks)[1]

    def predictions(self, eta: Effects | Floats, timeline: Timeline, observations: Sequence[Observation]) -> Floats:
        """What is shown of n observations, (n, N) without residual error, for effects or eta (N, d) that never change.

        Solved from the start.
        """
        at, out = self._from_start(eta, timeline, observations)
        shown = [out[i, o.output] for i, o in zip(at, observations, strict=True)]
        return np.array(shown).reshape(len(observations), out.shape[2])

    def recalled(self, belief: Belief, timeline: Timeline, observations: Sequence[Observation]) -> Floats:
        """What is shown of n observations (n, N) by a belief's particles; not a number before their checkpoint."""
        solver = self.solver(belief)
        origin = self._origin(solver, belief, timeline)
        marks, at = np.unique(np.array([o.millis for o in observations], dtype=np.int64), return_inverse=True)
        later = marks >= origin.millis
        out = np.full((len(marks), self.kernel.height, solver.count), np.nan)
        end = int(marks[-1])
        _, out[later] = solver.advance(origin, timeline, end, marks[later], self._stops(origin.millis, end))
        return np.array([out[i, o.output] for i, o in zip(at, observations, strict=True)])

    def rows(self, eta: Effects | Floats, timeline: Timeline, observations: Sequence[Observation]) -> list[Floats]:
        """What the likelihood of each observation reads (R, N), as `predictions`."""
        at, out = self._from_start(eta, timeline, observations)
        return [self.kernel.read(out[i], o.output) for i, o in zip(at, observations, strict=True)]

    def learn(
        self, position: TrunkPosition, timeline: Timeline, observation: Observation
    ) -> tuple[TrunkPosition, Assimilated]:
        """Bring the trunk to a measured value, say what was expected, and assimilate it."""
        position = self.forward(position, timeline, observation.millis)
        cloud, typical, past = _present(position)
        belief = self._reaching(position.belief, timeline, observation.millis)
        seen = timeline.observations[: belief.observations + 1]
        around = self._uncertain(belief, cloud, timeline, seen) if observation.moments else None
        at = np.array([observation.millis], dtype=np.int64)
        cloud, out = self.solver(belief).advance(cloud, timeline, observation.millis, at)
        typical, alone = self._typical_solver.advance(typical, timeline, observation.millis, at)
        rows = self.kernel.read(out[0], observation.output)
        output = self.kernel.model.outputs[observation.output]
        share = float(generator(self.patient_id, observation.event_id, "pit").random())
        read = rows if around is None else around
        expected = expectation(output, observation, read, belief.weight, share)
        weighed = Weighed(belief.eta, past, self._log_likelihood(observation, read))
        prior = law(widened(self.kernel.model, timeline.widening), belief.layout)
        widest = np.append(WIDEST * prior.sd, np.full(belief.eta.shape[1] - prior.size, np.inf))

        def weigher(eta: Floats) -> Weighed:
            bounded = np.clip(eta, -widest, widest)
            solver = Solver(self.kernel, self.effects(belief, bounded), self.step_sizes, shared=False)
            origin = self._origin(solver, replace(belief, eta=bounded), timeline)
            _, earlier, last = self._weigh(solver, origin, timeline, seen)
            return Weighed(eta, earlier, np.where((bounded == eta).all(axis=1), last, -np.inf))

        key, before = (self.patient_id, observation.event_id), belief.log_evidence
        belief, weighed, diagnostics = assimilate(prior, belief, weighed, weigher, key)
        past = weighed.past + weighed.last
        gained, renewed = belief.log_evidence - before, diagnostics.stages > 0
        settled = self._settled(belief, timeline, observation.millis, moved=renewed)
        if renewed or settled is not belief:
            # The particles are new, or begin elsewhere: their clouds come from the solver that will carry them on.
            solver = self.solver(settled)
            cloud, earlier, last = self._weigh(solver, self._origin(solver, settled, timeline), timeline, seen)
            past = earlier + last
        population = float(alone[0, observation.output, 0])
        assimilated = Assimilated(observation, rows, expected, population, gained, diagnostics)
        return TrunkPosition(settled, cloud, typical, past), assimilated

    def _reaching(self, belief: Belief, timeline: Timeline, millis: int) -> Belief:
        """The belief with the effects of every segment that begins before ``millis``."""
        key = (self.patient_id,)
        layout, eta = reaching(self.kernel.model, belief.layout, belief.eta, timeline.segments, millis, key)
        return belief if layout == belief.layout else replace(belief, layout=layout, eta=eta)

    def _settled(self, belief: Belief, timeline: Timeline, millis: int, *, moved: bool) -> Belief:
        """The belief with what is older than the lag fixed: after a move, or when as much again could be."""
        if self._lag is None:
            return belief
        lag, grid = self._lag
        since = (millis - lag) // grid * grid
        before = timeline.start if belief.layout.since is None else belief.layout.since
        if since <= before or not (moved or since - before >= lag):
            return belief
        solver = self.solver(belief)
        origin = self._origin(solver, belief, timeline)
        cloud, _ = solver.advance(origin, timeline, since, stops=self._stops(origin.millis, since))
        states = np.hstack(solver.natural(cloud, timeline))
        layout, eta = fixed(self.kernel.model, belief.layout, belief.eta, timeline.segments, since, states)
        return replace(belief, layout=layout, eta=eta)

    def mode(self, belief: Belief, timeline: Timeline) -> Mode:
        """Posterior mode of eta given the assimilated data, with its Laplace covariance.

        Effects of occasions are estimated beside eta and left out of what is returned. A drift is taken to stand still:
        this is the estimate that people know, of one eta for the whole record.
        """
        responder = Responder(self.kernel, self.step_sizes, timeline, timeline.observations[: belief.observations])
        prior = law(widened(self.kernel.model, timeline.widening), responder.layout)
        precision: Floats = np.linalg.inv(prior.covariance).astype(np.float64)
        start, dimension = np.zeros(prior.size), len(self.kernel.model.eta_names)
        if belief.layout.since is None:
            start[:dimension] = belief.weight @ belief.eta[:, :dimension]
        found = find_mode(responder, precision, start, laplace=True)
        return replace(found, eta=found.eta[:dimension], covariance=found.covariance[:dimension, :dimension])

    def log_likelihood(self, eta: Effects | Floats, timeline: Timeline, since: int | None = None) -> Floats:
        """log p(all observations, or those after ``since`` | effects, or eta (N, d) that never change): (N,)."""
        solver = Solver(self.kernel, eta, self.step_sizes, shared=False)
        if not timeline.observations:
            return np.zeros(solver.count)
        origin = solver.initial(timeline)
        if since is not None:
            origin, _ = solver.advance(origin, timeline, since, stops=self._stops(timeline.start, since))
        _, past, last = self._weigh(solver, origin, timeline, timeline.observations)
        return past + last

    def _origin(self, solver: Solver, belief: Belief, timeline: Timeline) -> Cloud:
        """Where a solution of the belief's particles begins: the start of the record, or their checkpoint."""
        since = belief.layout.since
        if since is None:
            return solver.initial(timeline)
        return solver.standing(since, belief.eta[:, columns(self.kernel.model, belief.layout).state], timeline)

    def _weigh(
        self, solver: Solver, origin: Cloud, timeline: Timeline, seen: tuple[Observation, ...], end: int | None = None
    ) -> tuple[Cloud, Floats, Floats]:
        """Solve from ``origin``: cloud at ``end`` (or the last datum), log-likelihoods of earlier data and the last.

        Data up to a checkpoint the solution begins at have been reckoned with; at the start of a record they have not.
        """
        end = seen[-1].millis if end is None else end
        seen = tuple(o for o in seen if o.millis > origin.millis or origin.millis == timeline.start)
        marks = np.unique(np.array([o.millis for o in seen], dtype=np.int64))
        cloud, out, around = self._along(solver, origin, timeline, end, marks, seen)
        past, last = np.zeros(solver.count), np.zeros(solver.count)
        for observation in seen:
            past = past + last
            rows = around.get(observation.event_id)
            if rows is None:
                rows = self.kernel.read(out[np.searchsorted(marks, observation.millis)], observation.output)
            last = self._log_likelihood(observation, rows)
        return cloud, past, last

    def _along(
        self,
        solver: Solver,
        origin: Cloud,
        timeline: Timeline,
        end: int,
        marks: NDArray[np.int64],
        seen: Sequence[Observation],
    ) -> tuple[Cloud, Floats, dict[str, Floats]]:
        """Cloud at ``end``, outputs at ``marks``, and what samples of uncertain time read (K, R, N), by event id.

        Those branch off at the grid stop before their first moment: what they read depends on nothing after it.
        """
        branches = [(self._branching(o, origin), o) for o in seen if o.moments]
        out = np.empty((len(marks), self.kernel.height, solver.count))
        around: dict[str, Floats] = {}
        cloud, done, stops = origin, 0, self._stops(origin.millis, end)
        for pause in (*sorted({begin for begin, _ in branches}), end):
            upto = int(np.searchsorted(marks, pause, side="right"))
            cloud, out[done:upto] = solver.advance(cloud, timeline, pause, marks[done:upto], stops)
            done = upto
            for begin, observation in branches:
                if begin == pause:
                    around[observation.event_id] = self._around(solver, cloud, timeline, observation)
        return cloud, out, around

    def _branching(self, observation: Observation, origin: Cloud) -> int:
        return max(observation.moments[0] // self.grid * self.grid, origin.millis)

    def _around(self, solver: Solver, cloud: Cloud, timeline: Timeline, observation: Observation) -> Floats:
        """What the likelihood reads (K, R, N) at the moments at which a sample may have been drawn."""
        moments = np.maximum(np.array(observation.moments, dtype=np.int64), cloud.millis)
        marks, at = np.unique(moments, return_inverse=True)
        _, out = solver.advance(cloud, timeline, int(marks[-1]), marks)
        return np.array([self.kernel.read(out[i], observation.output) for i in at])

    def _uncertain(self, belief: Belief, cloud: Cloud, timeline: Timeline, seen: tuple[Observation, ...]) -> Floats:
        """`_around` the last of ``seen`` for a belief whose particles stand at ``cloud``."""
        observation, solver = seen[-1], self.solver(belief)
        origin = self._origin(solver, belief, timeline)
        begin = self._branching(observation, origin)
        if cloud.millis > begin:
            cloud = origin
        met = np.array([o.millis for o in seen if o.millis < begin], dtype=np.int64)
        stops = np.union1d(self._stops(cloud.millis, begin), met)
        cloud, _ = solver.advance(cloud, timeline, begin, stops=stops)
        return self._around(solver, cloud, timeline, observation)

    def _from_start(
        self, eta: Effects | Floats, timeline: Timeline, observations: Sequence[Observation]
    ) -> tuple[NDArray[np.intp], Floats]:
        """The mark of each observation, and the outputs (M, O, N) of effects at the marks."""
        solver = Solver(self.kernel, eta, self.step_sizes, shared=False)
        if not observations:
            return np.empty(0, dtype=np.intp), np.empty((0, 0, solver.count))
        millis = np.array([o.millis for o in observations], dtype=np.int64)
        marks, at = np.unique(millis, return_inverse=True)
        end = int(marks[-1])
        return at, solver.advance(solver.initial(timeline), timeline, end, marks, self._stops(timeline.start, end))[1]

    def _log_likelihood(self, observation: Observation, rows: Floats) -> Floats:
        output = self.kernel.model.outputs[observation.output]
        return bounded(likelihood.log_likelihood(output, observation, rows))

    def _stops(self, begin: int, end: int) -> NDArray[np.int64]:
        first = (begin // self.grid + 1) * self.grid
        return np.arange(first, end, self.grid, dtype=np.int64)

    def _newest_stop(self, timeline: Timeline, until: int, observations: int) -> int:
        grid = until // self.grid * self.grid
        last = timeline.observations[observations - 1].millis if observations else timeline.start
        return max(grid if grid >= timeline.start else timeline.start, last)


def _present(position: TrunkPosition) -> tuple[Cloud, Cloud, Floats]:
    if position.cloud is None or position.typical is None or position.past is None:
        raise ValueError("the position's cloud was forgotten; call Trunk.remembered first")
    return position.cloud, position.typical, position.past
