"""A record solved and weighed: the log-likelihood of every datum, gathered on the way.

A solution pauses at the stops of a fixed grid, so that its path does not depend on where it was read or begun again.
A sample whose time is uncertain branches off at the stop before its first moment: what it reads rests on nothing after.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.modes.objective import LEAST_LOG_LIKELIHOOD, bounded
from twin.kernel.kernel import Kernel
from twin.observation import likelihood
from twin.observation.likelihood import output_of
from twin.observation.observation import Observation
from twin.observation.scatter import Scatter, scatter
from twin.solver.cloud import Cloud
from twin.solver.solver import Solver
from twin.timeline.timeline import Timeline


class Gathered(NamedTuple):
    """N particles at the end of a solution, with log-likelihoods (N,) of all data but the last, and of the last."""

    cloud: Cloud
    past: Floats
    last: Floats


def grid_stops(begin: int, end: int, grid: int) -> NDArray[np.int64]:
    """Multiples of ``grid`` between ``begin`` and ``end`` (ms, both excluded)."""
    return np.arange((begin // grid + 1) * grid, end, grid, dtype=np.int64)


def datum_log_likelihood(kernel: Kernel, observation: Observation, rows: Floats) -> Floats:
    """log p(value | particle), (N,), of what the likelihood reads: rows (R, N), or (K, R, N) of an uncertain time."""
    return bounded(likelihood.log_likelihood(output_of(kernel.model.outputs, observation), observation, rows))


def datum_scatter(kernel: Kernel, observation: Observation, rows: Floats) -> tuple[Scatter, ...]:
    """What a value says of the size of the error of each output that it reads (`twin.observation.scatter`), given the
    same rows; nothing where it is impossible."""
    possible = datum_log_likelihood(kernel, observation, rows) > LEAST_LOG_LIKELIHOOD
    return tuple(
        replace(one, count=np.where(possible, one.count, 0.0), squares=np.where(possible, one.squares, 0.0))
        for one in scatter(output_of(kernel.model.outputs, observation), observation, rows)
    )


def weigh(
    solver: Solver,
    origin: Cloud,
    timeline: Timeline,
    seen: Sequence[Observation],
    grid: int,
    end: int | None = None,
) -> Gathered:
    """Solve from ``origin`` to ``end`` (or to the last datum) and weigh the data ``seen``.

    Data up to a checkpoint the solution begins at have been reckoned with; at the start of a record they have not.
    """
    end = seen[-1].millis if end is None else end
    seen = tuple(o for o in seen if o.millis > origin.millis or origin.millis == timeline.start)
    cloud, read = _read(solver, origin, timeline, end, seen, grid)
    past, last = np.zeros(solver.count), np.zeros(solver.count)
    for observation, rows in read:
        past = past + last
        last = datum_log_likelihood(solver.kernel, observation, rows)
    return Gathered(cloud, past, last)


def read_along(
    solver: Solver, origin: Cloud, timeline: Timeline, seen: Sequence[Observation], grid: int
) -> Iterator[tuple[Observation, Floats]]:
    """Each of the data ``seen``, at least one, with what its likelihood reads: rows (R, N), or (K, R, N)."""
    return _read(solver, origin, timeline, seen[-1].millis, seen, grid)[1]


def _read(
    solver: Solver, origin: Cloud, timeline: Timeline, end: int, seen: Sequence[Observation], grid: int
) -> tuple[Cloud, Iterator[tuple[Observation, Floats]]]:
    marks = np.unique(np.array([o.millis for o in seen], dtype=np.int64))
    cloud, out, uncertain = _along(solver, origin, timeline, end, marks, seen, grid)

    def rows(observation: Observation) -> Floats:
        found = uncertain.get(observation.event_id)
        if found is None:
            found = solver.kernel.read(out[np.searchsorted(marks, observation.millis)], *observation.reads)
        return found

    return cloud, ((observation, rows(observation)) for observation in seen)


def read_uncertain(
    solver: Solver, cloud: Cloud, origin: Cloud, timeline: Timeline, seen: Sequence[Observation], grid: int
) -> Floats:
    """What the likelihood reads (K, R, N) of the last of ``seen``, at the moments at which it may have been drawn.

    The branch begins at ``cloud``, where the particles stand, or at ``origin`` when they have passed its beginning.
    """
    observation = seen[-1]
    begin = _branches_at(observation, origin, grid)
    if cloud.millis > begin:
        cloud = origin
    met = np.array([o.millis for o in seen if o.millis < begin], dtype=np.int64)
    stops = np.union1d(grid_stops(cloud.millis, begin, grid), met)
    cloud, _ = solver.advance(cloud, timeline, begin, stops=stops)
    return _read_moments(solver, cloud, timeline, observation)


def _along(
    solver: Solver,
    origin: Cloud,
    timeline: Timeline,
    end: int,
    marks: NDArray[np.int64],
    seen: Sequence[Observation],
    grid: int,
) -> tuple[Cloud, Floats, dict[str, Floats]]:
    """Cloud at ``end``, outputs at ``marks``, and what samples of uncertain time read (K, R, N), by event id."""
    branches = [(_branches_at(o, origin, grid), o) for o in seen if o.moments]
    out = np.empty((len(marks), solver.kernel.height, solver.count))
    uncertain: dict[str, Floats] = {}
    cloud, done, stops = origin, 0, grid_stops(origin.millis, end, grid)
    for pause in (*sorted({begin for begin, _ in branches}), end):
        upto = int(np.searchsorted(marks, pause, side="right"))
        cloud, out[done:upto] = solver.advance(cloud, timeline, pause, marks[done:upto], stops)
        done = upto
        for begin, observation in branches:
            if begin == pause:
                uncertain[observation.event_id] = _read_moments(solver, cloud, timeline, observation)
    return cloud, out, uncertain


def _branches_at(observation: Observation, origin: Cloud, grid: int) -> int:
    return max(observation.moments[0] // grid * grid, origin.millis)


def _read_moments(solver: Solver, cloud: Cloud, timeline: Timeline, observation: Observation) -> Floats:
    """What the likelihood reads (K, R, N) at every moment at which a sample may have been drawn."""
    moments = np.maximum(np.array(observation.moments, dtype=np.int64), cloud.millis)
    marks, at = np.unique(moments, return_inverse=True)
    _, out = solver.advance(cloud, timeline, int(marks[-1]), marks)
    return np.array([solver.kernel.read(out[i], observation.output) for i in at])
