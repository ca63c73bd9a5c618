"""Particles through time: the model's equations solved for a cloud of individual parameters.

A `Cloud` is where particles stand at one instant: modal coordinates of the linear block and the stepped states. A
`Solver` holds what the equations of a cloud of eta need (individual parameters, eigenbases), per stretch of constant
covariates and random effects. Where either changes the cloud is carried over in state space.
"""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from dataclasses import replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import UNIT_MS
from twin.kernel.arguments import Intervals, OwnSteps, Steps, StepSizes, System
from twin.kernel.kernel import Kernel
from twin.kernel.loops.stepper import LANES
from twin.kernel.own_edges import own_edges
from twin.solver.cloud import Cloud
from twin.solver.effects import Constant, Effects
from twin.solver.eigenbasis import Bases
from twin.solver.linear_system import linear_system, solved_parameters
from twin.solver.steady_state import steady_state
from twin.solver.step_schedule import intervals, one_step, schedule
from twin.timeline.segments import ALWAYS, UNDIVIDED, Segment, Segments
from twin.timeline.timeline import Timeline

OWN_EDGES = 400_000
"""Edges of late doses that are laid out at once (some 60 bytes each)."""

Plans = dict[tuple[int, int], Steps | Intervals]
"""Of stretches (begin and end in ms) of one timeline, with the marks and stops that go with them: the steps, or the
intervals that the steps of each particle are laid in."""

NO_STOPS: NDArray[np.int64] = np.empty(0, dtype=np.int64)


REMEMBERED_SYSTEMS = 96
"""Systems kept for reuse in the whole process (about 0.7 MB each at 1,000 particles), whatever the number of twins."""

_SYSTEMS: OrderedDict[tuple[str, bytes, bytes], System] = OrderedDict()
_GUARD = Lock()


class Solver:
    """The equations of N particles over a timeline's covariate epochs and segments; systems are built when needed.

    ``eta`` are effects that may change with the segment, or (N, d) ones that never do. ``shared`` systems are
    remembered in the process by the content of eta; a proposal, solved once, keeps its own. Who solves the same
    stretches of one timeline for many eta hands the steps on as ``plans``.
    """

    def __init__(
        self,
        kernel: Kernel,
        eta: Effects | Floats,
        step_sizes: StepSizes,
        *,
        shared: bool = True,
        plans: Plans | None = None,
    ) -> None:
        self.kernel = kernel
        self.effects = Constant(eta) if isinstance(eta, np.ndarray) else eta
        self.step_sizes = step_sizes
        self._plans = plans
        # Content, not identity, is the key: a belief that is shared or restored finds its systems again.
        self._own: dict[tuple[bytes, Segment], System] | None = None if shared else {}
        self._digests: dict[Segment, bytes] = {}
        self._bases = Bases()
        self._timing: tuple[Timeline | None, dict[int, Floats]] = (None, {})

    @property
    def count(self) -> int:
        """Number of particles N."""
        return self.effects.count

    def system(self, covariates: Floats, segments: Segments = UNDIVIDED, segment: Segment = ALWAYS) -> System:
        """The particles' equations under these covariates (C,) in a segment."""
        shaping = covariates[self.kernel.shaping].tobytes()
        if self._own is not None:
            own = shaping, segment
            if own not in self._own:
                self._own[own] = self._built(covariates, self.effects.at(segments, segment))
            return self._own[own]
        effects = self.effects.at(segments, segment)
        key = (self.kernel.model.hash, self._digest(effects, segment), shaping)
        with _GUARD:
            found = _SYSTEMS.get(key)
            if found is not None:
                _SYSTEMS.move_to_end(key)
                return found
        system = self._built(covariates, effects)
        with _GUARD:
            _SYSTEMS[key] = system
            while len(_SYSTEMS) > REMEMBERED_SYSTEMS:
                _SYSTEMS.popitem(last=False)
        return system

    def _digest(self, effects: Floats, segment: Segment) -> bytes:
        if segment not in self._digests:
            # With how many they are: without random effects particles have no content.
            content = b"%d " % len(effects) + np.ascontiguousarray(effects).tobytes()
            self._digests[segment] = hashlib.blake2b(content, digest_size=16).digest()
        return self._digests[segment]

    def _built(self, covariates: Floats, effects: Floats) -> System:
        par = solved_parameters(self.kernel, effects, covariates)
        return linear_system(self.kernel, par, covariates, self._bases)

    def _system_of(self, cloud: Cloud, timeline: Timeline) -> System:
        return self.system(timeline.covariates[cloud.epoch], timeline.segments, cloud.segment)

    def initial(self, timeline: Timeline) -> Cloud:
        """The particles at the start of a timeline."""
        cloud = self._begun(timeline, timeline.start)
        return self._in_steady_state(cloud, timeline) if timeline.start in timeline.steady else cloud

    def _begun(self, timeline: Timeline, millis: int) -> Cloud:
        """The particles with the initial values of ``millis``."""
        segment, covariates = timeline.segments.at(millis), timeline.covariates_of(millis)
        system = self.system(covariates, timeline.segments, segment)
        x = np.zeros((self.count, len(self.kernel.linear)))
        y = np.zeros((self.count, len(self.kernel.stepped)))
        self.kernel.initial(system.par, covariates, x, y)
        return self._laid(millis, x, y, timeline)

    def standing(self, millis: int, states: Floats, timeline: Timeline) -> Cloud:
        """The cloud at ``millis`` with these states (N, L + S), as `natural` gives them."""
        linear = len(self.kernel.linear)
        return self._laid(millis, states[:, :linear], states[:, linear:].copy(), timeline)

    def _laid(self, millis: int, x: Floats, y: Floats, timeline: Timeline) -> Cloud:
        """The cloud that goes on from ``millis`` with linear states x (N, L) and stepped ones y (N, S)."""
        epoch, segment = _epoch_at(timeline, millis), timeline.segments.at(millis)
        system = self.system(timeline.covariates[epoch], timeline.segments, segment)
        return Cloud(millis, epoch, _apply(system.w, x), y, segment)

    def natural(self, cloud: Cloud, timeline: Timeline) -> tuple[Floats, Floats]:
        """Linear states x (N, L) and stepped ones y (N, S) of a cloud, the latter as they are stepped."""
        return _apply(self._system_of(cloud, timeline).v, cloud.z), cloud.y

    def constant(self, timeline: Timeline, millis: int) -> Solver:
        """The equations of the particles as if they had always been as they are from ``millis`` on."""
        if isinstance(self.effects, Constant):
            return self.with_plans({})
        effects = self.effects.at(timeline.segments, timeline.segments.at(millis))
        return Solver(self.kernel, effects, self.step_sizes, shared=False)

    def taken(self, index: NDArray[np.int64]) -> Solver:
        """The equations of the particles at ``index``, whose effects must be constant."""
        effects = self.effects.at(UNDIVIDED, ALWAYS)[index]
        return Solver(self.kernel, effects, self.step_sizes, shared=False, plans=self._plans)

    def with_plans(self, plans: Plans | None) -> Solver:
        """The same equations, for the stretches of one timeline whose steps ``plans`` hands on."""
        other = copy.copy(self)
        other._plans = plans
        return other

    def advance(
        self,
        cloud: Cloud,
        timeline: Timeline,
        end: int,
        marks: NDArray[np.int64] = NO_STOPS,
        stops: NDArray[np.int64] = NO_STOPS,
    ) -> tuple[Cloud, Floats]:
        """Solve from the cloud to ``end`` (ms).

        Args:
            marks: sorted distinct ms in [cloud.millis, end] at which outputs are wanted.
            stops: further ms that steps must meet, so that the path is the same as in a solution that paused there.

        Returns:
            The cloud at ``end`` and outputs (M, O, N), O rows as `Kernel.outputs` says.
        """
        kernel = self.kernel
        out = np.empty((len(marks), kernel.height, self.count))
        done = 0
        if len(marks) and marks[0] == cloud.millis:
            out[0] = self._here(cloud, timeline)
            done = 1
        while cloud.millis < end:
            epoch = _epoch_at(timeline, cloud.millis)
            cloud = self._carried(cloud, timeline, epoch, timeline.segments.at(cloud.millis))
            if cloud.millis in timeline.resets:
                cloud = self._begun(timeline, cloud.millis)
            until = min(end, timeline.segments.next_after(cloud.millis) or end)
            stage = int(np.searchsorted(timeline.stages, epoch, side="right"))
            until = min([until, *timeline.epoch[timeline.stages[stage : stage + 1]].tolist()])
            restart = int(np.searchsorted(timeline.restarts, cloud.millis, side="right"))
            until = min([until, *timeline.restarts[restart : restart + 1].tolist()])
            here = marks[(marks > cloud.millis) & (marks <= until)]
            cloud = self._stretch(cloud, timeline, until, stops, here, out[done : done + len(here)])
            done += len(here)
            if until in timeline.steady:
                cloud = self._in_steady_state(cloud, timeline)
                if len(here) and here[-1] == until:
                    out[done - 1] = self._here(cloud, timeline)
        return cloud, out

    def _in_steady_state(self, cloud: Cloud, timeline: Timeline) -> Cloud:
        """The cloud, its states replaced by those just before the steady doses at its instant."""
        row = timeline.covariates_at(cloud.millis)
        x, y = steady_state(self.constant(timeline, cloud.millis), timeline, cloud.millis, row)
        return replace(cloud, z=_apply(self._system_of(cloud, timeline).w, x), y=y)

    def _stretch(
        self,
        cloud: Cloud,
        timeline: Timeline,
        end: int,
        stops: NDArray[np.int64],
        marks: NDArray[np.int64],
        out: Floats,
    ) -> Cloud:
        if self.kernel.late:
            return self._late_stretch(cloud, timeline, end, stops, marks, out)
        plans = {} if self._plans is None else self._plans
        steps = plans.get((cloud.millis, end))
        if not isinstance(steps, Steps):
            steps = plans[cloud.millis, end] = schedule(
                timeline, self.kernel, self.step_sizes, cloud.millis, end, stops, marks
            )
        covariates, system = timeline.covariates[cloud.epoch], self._system_of(cloud, timeline)
        z, y = cloud.z.copy(), cloud.y.copy()
        self.kernel.advance(z, y, covariates, system, steps, out)
        return replace(cloud, millis=end, z=z, y=y)

    def _late_stretch(
        self,
        cloud: Cloud,
        timeline: Timeline,
        end: int,
        stops: NDArray[np.int64],
        marks: NDArray[np.int64],
        out: Floats,
    ) -> Cloud:
        """As `_stretch`, where every particle has edges of its own; so many particles at once as memory is fair to."""
        plans = {} if self._plans is None else self._plans
        met = plans.get((cloud.millis, end))
        if not isinstance(met, Intervals):
            met = plans[cloud.millis, end] = intervals(timeline, self.kernel, cloud.millis, end, stops, marks)
        covariates, system = timeline.covariates[cloud.epoch], self._system_of(cloud, timeline)
        epoch, sizes = self._timing_epochs(timeline, end), self.step_sizes
        z, y = cloud.z.copy(), cloud.y.copy()
        pieces = int(np.searchsorted(timeline.late.given, end))
        size = max(LANES, OWN_EDGES // (2 * pieces + 1) // LANES * LANES)
        for first in range(0, len(z), size):
            part = slice(first, first + size)
            own = own_edges(
                timeline.late,
                self.kernel.late_kinds,
                lambda at, part=part: self._timing_at(int(epoch[at]), timeline)[part],  # type: ignore[misc]
                epoch=epoch,
                start=timeline.start,
                unit=_unit(self.kernel),
                stretch=(cloud.millis, end),
                memory=sizes.largest / sizes.growth if sizes.first > 0 else 0.0,
            )
            shown = np.empty((*out.shape[:2], len(z[part])))
            steps = OwnSteps(met, sizes, own)
            self.kernel.advance(z[part], y[part], covariates, system.of(part), steps, shown)
            out[:, :, part] = shown
        return replace(cloud, millis=end, z=z, y=y)

    def _timing_epochs(self, timeline: Timeline, end: int) -> NDArray[np.int64]:
        """Times (ms) before ``end`` from which what decides when a dose enters may be another."""
        found, begin = [timeline.epoch[timeline.stages]], timeline.segments.next_after(timeline.start)
        while begin is not None and begin < end:
            found.append(np.array([begin], dtype=np.int64))
            begin = timeline.segments.next_after(begin)
        return np.unique(np.concatenate(found))

    def _timing_at(self, millis: int, timeline: Timeline) -> Floats:
        """When doses enter the particles (N, K, T) at ``millis``, or at the record's start where that is later."""
        if self._timing[0] is not timeline:
            self._timing = timeline, {}
        known = self._timing[1]
        if millis not in known:
            covariates = timeline.covariates[_epoch_at(timeline, millis)]
            segment = timeline.segments.at(max(millis, timeline.start))
            known[millis] = self.system(covariates, timeline.segments, segment).timing
        return known[millis]

    def _carried(self, cloud: Cloud, timeline: Timeline, epoch: int, segment: Segment) -> Cloud:
        if (epoch, segment) == (cloud.epoch, cloud.segment):
            return cloud
        carried = replace(cloud, epoch=epoch, segment=segment)
        old, new = timeline.covariates[cloud.epoch], timeline.covariates[epoch]
        if segment == cloud.segment and np.array_equal(old[self.kernel.shaping], new[self.kernel.shaping]):
            return carried
        x = _apply(self._system_of(cloud, timeline).v, cloud.z)
        return replace(carried, z=_apply(self._system_of(carried, timeline).w, x))

    def _here(self, cloud: Cloud, timeline: Timeline) -> Floats:
        """Outputs at the cloud's own instant: a step of no length."""
        out = np.empty((1, self.kernel.height, self.count))
        covariates, system, z = timeline.covariates[cloud.epoch], self._system_of(cloud, timeline), cloud.z.copy()
        if cloud.millis == timeline.start and timeline.backward.any():
            # No stretch ends here, so what is carried backward would already be the next report's.
            covariates = timeline.covariates_of(cloud.millis)
            x = _apply(system.v, z)
            system = self.system(covariates, timeline.segments, cloud.segment)
            z = _apply(system.w, x)
        at = (cloud.millis - timeline.start) / _unit(self.kernel)
        step_alone(self.kernel, system, covariates, z, cloud.y.copy(), at, 0.0, out)
        return np.asarray(out[0])


def step_alone(
    kernel: Kernel, system: System, covariates: Floats, z: Floats, y: Floats, at: float, h: float, out: Floats
) -> None:
    """One step of length ``h`` from ``at`` (model time) in which nothing enters; z (N, L), y (N, S) and out (1, O, N)
    are written."""
    kernel.advance(z, y, covariates, system, one_step(kernel, len(z), at, h, shown=len(out) > 0), out)


def _apply(matrix: Floats, vector: Floats) -> Floats:
    """Per-particle matrix times vector, (N, r, c) by (N, c), summed in fixed order."""
    result = np.zeros((len(vector), matrix.shape[1]))
    for k in range(matrix.shape[2]):
        result += matrix[:, :, k] * vector[:, k, None]
    return result


def _epoch_at(timeline: Timeline, millis: int) -> int:
    """The epoch (index) from which on what the equations read has been as it is at ``millis``."""
    return int(timeline.stages[np.searchsorted(timeline.epoch[timeline.stages], millis, side="right") - 1])


def _unit(kernel: Kernel) -> int:
    return UNIT_MS[kernel.model.time_unit]
