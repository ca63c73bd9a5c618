"""What patients of given random effects would show: predictions along a timeline, and the likelihood of its data.

Studies solve for effects that are known or drawn (the typical patient, a posterior mode, a simulated population), from
the start of the record and without a belief.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.trunk import rhythm_of
from twin.filter.weighing import grid_stops, weigh
from twin.kernel.arguments import StepSizes
from twin.kernel.kernel import Kernel
from twin.observation.observation import Observation
from twin.solver.effects import Effects, effects_of
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.segments import STILL
from twin.timeline.timeline import Timeline


class Predictor:
    """Predictions of one model for patients with known random effects.

    Effects are through time, or eta (N, d) that never changes.

    Args:
        kernel: the compiled model.
        patient_id: key of all randomness of who is studied.
        step_sizes: of the equations; by default those of the model.
    """

    def __init__(self, kernel: Kernel, patient_id: str, step_sizes: StepSizes | None = None) -> None:
        self.kernel = kernel
        self.patient_id = patient_id
        self.step_sizes = step_sizes or step_sizes_for(kernel)
        # The stops of a twin's own trunk, so that both step alike.
        self._grid = rhythm_of(kernel.model, patient_id).forecast

    def effects(self, eta: Floats, name: str) -> Effects:
        """Random effects through time of patients with eta (N, d): occasions and drift are drawn for ``name``."""
        return effects_of(self.kernel.model, STILL, eta, (name,))

    def predictions(self, effects: Effects | Floats, timeline: Timeline, observations: Sequence[Observation]) -> Floats:
        """What is shown of n observations, (n, N), without residual error."""
        at, out = self._solved(effects, timeline, observations)
        shown = [out[i, o.output] for i, o in zip(at, observations, strict=True)]
        return np.array(shown).reshape(len(observations), out.shape[2])

    def rows(self, effects: Effects | Floats, timeline: Timeline, observations: Sequence[Observation]) -> list[Floats]:
        """What the likelihood of each observation reads, (R, N)."""
        at, out = self._solved(effects, timeline, observations)
        return [self.kernel.read(out[i], *o.reads) for i, o in zip(at, observations, strict=True)]

    def log_likelihood(self, effects: Effects | Floats, timeline: Timeline, since: int | None = None) -> Floats:
        """log p(all observations, or those after ``since`` (ms) | effects): (N,)."""
        solver = self._solver(effects)
        if not timeline.observations:
            return np.zeros(solver.count)
        origin = solver.initial(timeline)
        if since is not None:
            stops = grid_stops(timeline.start, since, self._grid)
            origin, _ = solver.advance(origin, timeline, since, stops=stops)
        _, past, last = weigh(solver, origin, timeline, timeline.observations, self._grid)
        return past + last

    def _solver(self, effects: Effects | Floats) -> Solver:
        return Solver(self.kernel, effects, self.step_sizes, shared=False)

    def _solved(
        self, effects: Effects | Floats, timeline: Timeline, observations: Sequence[Observation]
    ) -> tuple[NDArray[np.intp], Floats]:
        """The mark of each observation, and the outputs (M, O, N) at the marks."""
        solver = self._solver(effects)
        if not observations:
            return np.empty(0, dtype=np.intp), np.empty((0, 0, solver.count))
        marks, at = np.unique(np.array([o.millis for o in observations], dtype=np.int64), return_inverse=True)
        end, stops = int(marks[-1]), grid_stops(timeline.start, int(marks[-1]), self._grid)
        return at, solver.advance(solver.initial(timeline), timeline, end, marks, stops)[1]
