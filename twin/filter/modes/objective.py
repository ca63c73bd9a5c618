"""What a patient's data mean for eta: the solver, the residual models and the information, as one function.

Everything that does not depend on eta is worked out once, so that a search for the mode spends its time in the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.modes.descents import Response
from twin.kernel.arguments import StepSizes
from twin.kernel.kernel import Kernel
from twin.model.measured.error import ErrorSpec
from twin.observation import likelihood
from twin.observation.kinds import kind_of
from twin.observation.likelihood import output_of
from twin.observation.observation import Observation
from twin.solver.effects import alone
from twin.solver.solver import Plans, Solver
from twin.timeline.segments import Layout
from twin.timeline.timeline import Timeline

LEAST_LOG_LIKELIHOOD = -1e4
"""Below this, a datum is as impossible as can be: one that no patient explains (a level of a drug that was never
recorded as given) then moves no particle, and shows in the prediction's PIT and innovation."""


IMPOSSIBLE = 1e30
"""Minus log-likelihood of a patient whose values, or whose solution, are beyond what numbers hold."""


def bounded(log_likelihood: Floats) -> Floats:
    """Log-likelihoods between impossible and possible; a solution that overflowed is an impossible patient."""
    return np.where(np.isfinite(log_likelihood), np.maximum(log_likelihood, LEAST_LOG_LIKELIHOOD), -IMPOSSIBLE)


class _Batch(NamedTuple):
    """A `twin.observation.kind.Batch` with where it reads the solution: rows of marks (n, 1) and of outputs (R,)."""

    observations: tuple[Observation, ...]
    mark: NDArray[np.int64]
    row: NDArray[np.int64]
    weigh: Callable[[Floats], tuple[Floats, Floats, Floats]]


class Responder:
    """Responses to the observations ``seen`` of a patient, for any eta (N, K).

    With occasions eta is followed by the kappas of those that the data met, and where it ``drifts`` by what each step
    until then adds, as ``layout`` says; otherwise a drift stands still.
    """

    def __init__(
        self,
        kernel: Kernel,
        step_sizes: StepSizes,
        timeline: Timeline,
        seen: Sequence[Observation],
        *,
        drifts: bool = False,
    ) -> None:
        self.kernel = kernel
        self.step_sizes = step_sizes
        self.timeline = timeline
        self._plans: Plans = {}
        self.seen = tuple(seen)
        every = [millis for o in seen for millis in (o.millis, *o.moments)]
        self.marks = np.unique(np.array(every, dtype=np.int64))
        segments, last = timeline.segments, int(self.marks[-1]) if len(self.marks) else timeline.start
        occasions = segments.occasions_before(last) if kernel.model.iov_names and len(self.marks) else ()
        self.layout = Layout(None, occasions, segments.steps_before(last) if drifts else ())
        self._batches = self._batched()
        together = {id(o) for batch in self._batches for o in batch.observations}
        self._single = tuple(o for o in self.seen if id(o) not in together)

    def __call__(self, eta: Floats) -> Response:
        """Minus log-likelihood, coordinates and weights of eta (N, d)."""
        loss = np.zeros(len(eta))
        if not self.seen:
            return Response(loss, np.empty((0, len(eta))), np.empty((0, len(eta))))
        out = self._solved(eta)
        places: list[Floats] = []
        weights: list[Floats] = []
        for observation in self._single:
            output = output_of(self.kernel.model.outputs, observation)
            rows = self.kernel.read(out[np.searchsorted(self.marks, observation.millis)], *observation.reads)
            around = [
                self.kernel.read(out[at], observation.output) for at in np.searchsorted(self.marks, observation.moments)
            ]
            likely = bounded(likelihood.log_likelihood(output, observation, np.array(around) if around else rows))
            place, weight = kind_of(output).information(output, rows)
            loss -= likely
            places.append(place)
            weights.append(np.where((likely > LEAST_LOG_LIKELIHOOD) & np.isfinite(weight), weight, 0.0))
        for batch in self._batches:
            likely, place, weight = batch.weigh(out[batch.mark, batch.row])
            likely = bounded(likely)
            loss -= likely.sum(axis=0)
            # What is taken for impossible is not informative about eta, and what is not finite must not spoil the rest.
            informative = (likely > LEAST_LOG_LIKELIHOOD) & np.isfinite(place) & np.isfinite(weight)
            places.append(np.where(np.isfinite(place), place, 0.0).reshape(-1, len(eta)))
            weights.append(np.where(informative, weight, 0.0).reshape(-1, len(eta)))
        return Response(loss, np.concatenate(places), np.concatenate(weights))

    def _solved(self, eta: Floats) -> Floats:
        effects = alone(self.kernel.model, self.layout, eta)
        solver = Solver(self.kernel, effects, self.step_sizes, shared=False, plans=self._plans)
        return solver.advance(solver.initial(self.timeline), self.timeline, int(self.marks[-1]), self.marks)[1]

    def _batched(self) -> tuple[_Batch, ...]:
        """What can be weighed together, in the order of the first value of each."""
        alike: dict[tuple[tuple[int, ...], ErrorSpec | None], list[Observation]] = {}
        for observation in self.seen:
            summed_up = observation.readings is not None
            error = output_of(self.kernel.model.outputs, observation).error if summed_up else None
            alike.setdefault((observation.reads, error), []).append(observation)
        found = [
            (batch, reads)
            for (reads, _), observations in alike.items()
            for output in [output_of(self.kernel.model.outputs, observations[0])]
            for batch in kind_of(output).batches(output, tuple(observations))
        ]
        at = {id(observation): i for i, observation in enumerate(self.seen)}
        found.sort(key=lambda one: at[id(one[0].observations[0])])
        return tuple(
            _Batch(
                batch.observations,
                np.searchsorted(self.marks, [o.millis for o in batch.observations])[:, None],
                np.array([row for number in reads for row in self.kernel.rows[number]]),
                batch.weigh,
            )
            for batch, reads in found
        )
