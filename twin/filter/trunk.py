"""The trunk: one cloud per belief, carried along the timeline.

The trunk stops at measured values and on a fixed grid, never where a reading happens to be taken; everything else
branches off it. So a belief's cloud is a function of the history alone, and can be thrown away and solved again to the
same bytes. How a measured value is assimilated is in `twin.filter.learning`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import MINUTE_MS, UNIT_MS
from twin.filter.belief import Belief
from twin.filter.weighing import grid_stops, weigh
from twin.kernel.arguments import StepSizes
from twin.kernel.kernel import Kernel
from twin.model.spec import Model
from twin.randomness import generator
from twin.solver.cloud import Cloud
from twin.solver.effects import Effects, columns, effects_of
from twin.solver.solver import Plans, Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.timeline import Timeline


class Rhythm(NamedTuple):
    """How often a twin emits an estimate and a forecast, and how far a forecast looks ahead (all ms).

    They are due ``phase`` ms after whole multiples. Each patient has one of their own, for if all twins of a ward
    spoke at the full hour, each would wait for the others; so their work is spread over the hour, and forecasts over
    the day.
    """

    estimate: int
    forecast: int
    horizon: int
    phase: int


def rhythm_of(model: Model, patient_id: str) -> Rhythm:
    """The rhythm that a model file asks for, at the patient's own minutes."""
    unit, cadence = UNIT_MS[model.time_unit], model.cadence
    estimate, forecast, horizon = (round(x * unit) for x in (cadence.estimate, cadence.forecast, cadence.horizon))
    return Rhythm(estimate, forecast, horizon, phase_of(patient_id, forecast))


def phase_of(patient_id: str, forecast: int) -> int:
    """The minute (ms) between two forecasts, ``forecast`` ms apart, at which the patient's own is due."""
    return int(generator(patient_id, "rhythm").integers(max(forecast // MINUTE_MS, 1))) * MINUTE_MS


@dataclass(frozen=True, slots=True)
class TrunkPosition:
    """A belief and where its particles stand.

    Attributes:
        cloud: the particles at the newest trunk stop; ``None`` when forgotten (see `Trunk.remembered`).
        typical: the population's typical patient (eta = 0), one particle, at the same stop as ``cloud``.
        past: (N,) log-likelihood of all assimilated data, or of those since the belief's checkpoint.
        grid_cloud: the particles at the newest point of the estimate grid beyond that stop, if there is one: estimates
            step from one to the next instead of starting at the trunk each time.
    """

    belief: Belief
    cloud: Cloud | None
    typical: Cloud | None
    past: Floats | None
    grid_cloud: Cloud | None = None

    def forgotten(self) -> TrunkPosition:
        """The position without its clouds, which the record gives again."""
        return TrunkPosition(self.belief, None, None, None)


class Trunk:
    """Carries positions of one patient forward; all methods return new positions.

    Args:
        kernel: the compiled model.
        patient_id: key of all randomness.
        rhythm: of estimates and forecasts; by default as the model file has it.
        step_sizes: of the equations; by default those of the model.
    """

    def __init__(
        self, kernel: Kernel, patient_id: str, rhythm: Rhythm | None = None, step_sizes: StepSizes | None = None
    ) -> None:
        self.kernel = kernel
        self.step_sizes = step_sizes or step_sizes_for(kernel)
        self.patient_id = patient_id
        self.rhythm = rhythm or rhythm_of(kernel.model, patient_id)
        self.typical_solver = Solver(kernel, np.zeros((1, len(kernel.model.effect_names))), self.step_sizes)

    @property
    def grid(self) -> int:
        """Distance of the trunk's stops (ms): forecasts branch off them."""
        return self.rhythm.forecast

    def effects(self, belief: Belief, eta: Floats | None = None) -> Effects:
        """Random effects through time of a belief's particles, or of other ``eta`` laid out like theirs."""
        rows = belief.eta if eta is None else eta
        return effects_of(self.kernel.model, belief.layout, rows, (self.patient_id,))

    def solver(self, belief: Belief) -> Solver:
        """The equations of a belief's particles."""
        return Solver(self.kernel, self.effects(belief), self.step_sizes)

    def origin(self, solver: Solver, belief: Belief, timeline: Timeline) -> Cloud:
        """Where a solution of the belief's particles begins: the start of the record, or their checkpoint."""
        since = belief.layout.since
        if since is None:
            return solver.initial(timeline)
        return solver.standing(since, belief.eta[:, columns(self.kernel.model, belief.layout).state], timeline)

    def begin(self, timeline: Timeline, belief: Belief) -> TrunkPosition:
        """The prior at the start of the timeline."""
        typical = self.typical_solver.initial(timeline)
        return TrunkPosition(belief, self.solver(belief).initial(timeline), typical, np.zeros(len(belief.eta)))

    def remembered(self, position: TrunkPosition, timeline: Timeline, until: int) -> TrunkPosition:
        """The position, its cloud solved again at the newest trunk stop not after ``until`` if it was forgotten."""
        if position.cloud is not None:
            return position
        belief = position.belief
        stop = self._newest_stop(timeline, until, belief.observations)
        seen = timeline.observations[: belief.observations]
        solver = self.solver(belief)
        cloud, past, last = weigh(solver, self.origin(solver, belief, timeline), timeline, seen, self.grid, stop)
        start = self.typical_solver.initial(timeline)
        met = np.array([observation.millis for observation in seen], dtype=np.int64)
        stops = np.union1d(grid_stops(timeline.start, stop, self.grid), met)
        typical, _ = self.typical_solver.advance(start, timeline, stop, stops=stops)
        return TrunkPosition(belief, cloud, typical, past + last if seen else past)

    def forward(self, position: TrunkPosition, timeline: Timeline, millis: int) -> TrunkPosition:
        """To the newest grid stop not after ``millis``."""
        cloud, typical, _ = present(position)
        stop = millis // self.grid * self.grid
        if stop <= cloud.millis:
            return position
        stops = grid_stops(cloud.millis, stop, self.grid)
        plans: Plans = {}
        cloud, _ = self.solver(position.belief).with_plans(plans).advance(cloud, timeline, stop, stops=stops)
        typical, _ = self.typical_solver.with_plans(plans).advance(typical, timeline, stop, stops=stops)
        return replace(position, cloud=cloud, typical=typical, grid_cloud=None)

    def advance_to_grid(self, position: TrunkPosition, timeline: Timeline, millis: int) -> TrunkPosition:
        """Bring the particles to the newest point of the estimate grid not after ``millis``."""
        cloud, _, _ = present(position)
        grid_cloud, grid, phase = position.grid_cloud or cloud, self.rhythm.estimate, self.rhythm.phase
        stop = (millis - phase) // grid * grid + phase
        if stop <= grid_cloud.millis:
            return position
        stops = grid_stops(grid_cloud.millis - phase, stop - phase, grid) + phase
        grid_cloud, _ = self.solver(position.belief).advance(grid_cloud, timeline, stop, stops=stops)
        return replace(position, grid_cloud=grid_cloud)

    def look(self, position: TrunkPosition, timeline: Timeline, marks: NDArray[np.int64]) -> Floats:
        """Outputs (M, O, N) of a branch at ``marks`` (ms, sorted, not before the position's newest cloud)."""
        cloud, _, _ = present(position)
        return self.solver(position.belief).advance(position.grid_cloud or cloud, timeline, int(marks[-1]), marks)[1]

    def look_back(self, belief: Belief, timeline: Timeline, marks: NDArray[np.int64]) -> Floats:
        """Outputs (M, O, N) along the record at ``marks`` (ms, sorted, distinct), as a belief's particles explain it.

        They are solved from where they begin, and not a number before that.
        """
        solver = self.solver(belief)
        origin, end = self.origin(solver, belief, timeline), int(marks[-1])
        later = marks >= origin.millis
        out = np.full((len(marks), self.kernel.height, solver.count), np.nan)
        _, out[later] = solver.advance(origin, timeline, end, marks[later], grid_stops(origin.millis, end, self.grid))
        return out

    def _newest_stop(self, timeline: Timeline, until: int, observations: int) -> int:
        grid = until // self.grid * self.grid
        last = timeline.observations[observations - 1].millis if observations else timeline.start
        return max(grid if grid >= timeline.start else timeline.start, last)


def present(position: TrunkPosition) -> tuple[Cloud, Cloud, Floats]:
    """The particles, the typical patient and the log-likelihoods (N,) of a position.

    Raises:
        ValueError: they were forgotten.
    """
    if position.cloud is None or position.typical is None or position.past is None:
        raise ValueError("the position's cloud was forgotten; call Trunk.remembered first")
    return position.cloud, position.typical, position.past
