"""Step sizes between discontinuities.

After a kick (a rate change or an impulse) a solution moves fast at first and slower with time, as sums of exponentials
do; so the step grows in proportion to the time since the kick, from a first step up to a largest one:

    h = min(largest, max(first, growth * tau)).

Steps depend on the timeline alone, never on the particle or on when anyone looked, and a step never crosses a
boundary; so solving in one go and solving piece by piece take the same steps.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import UNIT_MS
from twin.kernel.arguments import Inputs, Intervals, OwnSteps, Steps, StepSizes
from twin.kernel.compiling.by_hand import compiled
from twin.kernel.kernel import Kernel
from twin.kernel.own_edges import no_own_edges
from twin.timeline.timeline import Timeline

GROWTH = 0.2
"""Step size as a fraction of the time since the kick, where nothing else is known."""


@compiled
def _fill(length, tau, first, growth, largest, start, dt, interval):  # type: ignore[no-untyped-def]
    """Steps of every interval; returns their number, or -1 when the arrays are too short."""
    count = 0
    for i in range(length.shape[0]):
        remaining = length[i]
        since = tau[i]
        done = 0.0
        while remaining > 0.0:
            h = min(largest, max(first, growth * since)) if first > 0.0 else remaining
            if h >= remaining * (1.0 - 1e-9):
                h = remaining
            elif 2.0 * h > remaining:
                h = 0.5 * remaining  # Two even steps rather than a full one and a crumb.
            if count == dt.shape[0]:
                return -1
            start[count] = done
            dt[count] = h
            interval[count] = i
            count += 1
            done += h
            since += h
            remaining = length[i] - done if h < remaining else 0.0
    return count


def schedule(
    timeline: Timeline,
    kernel: Kernel,
    step_sizes: StepSizes,
    start: int,
    end: int,
    stops: NDArray[np.int64],
    marks: NDArray[np.int64],
) -> Steps:
    """Steps from ``start`` to ``end`` (ms) that meet every discontinuity, every stop and every mark.

    Args:
        stops: boundaries without output; marks: sorted distinct boundaries in (start, end] at which outputs are wanted.
    """
    unit = UNIT_MS[kernel.model.time_unit]
    edges, kicked = _edges(timeline, start, end, stops, marks)
    begins, ends = edges[:-1], edges[1:]
    offset, dt, interval = _filled((ends - begins) / unit, (begins - kicked) / unit, step_sizes)
    count = len(dt)
    opens = np.flatnonzero(np.diff(interval, prepend=-1))
    mark = np.full(count, -1, dtype=np.int64)
    closes = np.append(opens[1:] - 1, count - 1) if count else opens
    wanted = np.searchsorted(edges, marks) - 1
    mark[closes[wanted]] = np.arange(len(marks))
    low, high = np.searchsorted(timeline.kick, [start, end], side="left")
    kick_from = np.full(count + 1, high - low, dtype=np.int64)
    # Kicks lie on interval openings; every step before the next opening starts after the same number of them.
    opening = begins[interval]
    kick_from[:count] = np.searchsorted(timeline.kick[low:high], opening, side="left")
    later = np.ones(count, dtype=bool)
    later[opens] = False
    kick_from[:count][later] = np.searchsorted(timeline.kick[low:high], opening[later], side="right")
    inputs = Inputs(
        rates=timeline.rates,
        row=np.searchsorted(timeline.change, begins, side="right")[interval],
        kick_from=kick_from,
        kick_column=timeline.kick_column[low:high],
        kick_amount=timeline.kick_amount[low:high],
    )
    return Steps(start=(begins[interval] - timeline.start) / unit + offset, dt=dt, inputs=inputs, mark=mark)


def _filled(length: Floats, tau: Floats, step_sizes: StepSizes) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Begin within its interval, length, and interval of each step (K,), for intervals of ``length`` (E,) that begin
    ``tau`` (E,) after a discontinuity."""
    coarsest = length.sum() / step_sizes.largest if np.isfinite(step_sizes.largest) else 0
    size = 64 + 4 * len(length) + int(min(1e7, coarsest))
    while True:
        offset, dt, interval = np.empty(size), np.empty(size), np.empty(size, dtype=np.int64)
        count = _fill(length, tau, *step_sizes, offset, dt, interval)
        if count >= 0:
            return offset[:count], dt[:count], interval[:count]
        size *= 2


def intervals(
    timeline: Timeline, kernel: Kernel, start: int, end: int, stops: NDArray[np.int64], marks: NDArray[np.int64]
) -> Intervals:
    """Intervals from ``start`` to ``end`` (ms); arguments as of `schedule`."""
    unit = UNIT_MS[kernel.model.time_unit]
    edges, kicked = _edges(timeline, start, end, stops, marks)
    mark = np.full(len(edges) - 1, -1, dtype=np.int64)
    mark[np.searchsorted(edges, marks) - 1] = np.arange(len(marks))
    low, high = np.searchsorted(timeline.kick, [start, end], side="left")
    inputs = Inputs(
        rates=timeline.rates,
        row=np.searchsorted(timeline.change, edges[:-1], side="right"),
        kick_from=np.searchsorted(timeline.kick[low:high], edges, side="left"),
        kick_column=timeline.kick_column[low:high],
        kick_amount=timeline.kick_amount[low:high],
    )
    edge, disturbed = (edges - timeline.start) / unit, (kicked - timeline.start) / unit
    return Intervals(edge=edge, disturbed=disturbed, inputs=inputs, mark=mark)


def one_step(kernel: Kernel, count: int, at: float, h: float, *, shown: bool) -> Steps | OwnSteps:
    """A step of length ``h`` from ``at`` (model time) of ``count`` particles in which nothing enters; ``shown`` fills
    row 0 of the output array after it."""
    mark, inputs = np.array([0 if shown else -1], dtype=np.int64), _nothing(len(kernel.inputs))
    if not kernel.late:
        return Steps(start=np.array([at]), dt=np.array([h]), inputs=inputs, mark=mark)
    interval = Intervals(edge=np.array([at, at + h]), disturbed=np.array([at]), inputs=inputs, mark=mark)
    return OwnSteps(interval, StepSizes(h, 0.0, h), no_own_edges(count, len(kernel.late)))


@functools.cache
def _nothing(columns: int) -> Inputs:
    """Nothing by so many columns in one step."""
    return Inputs(
        rates=np.zeros((1, columns)),
        row=np.zeros(1, dtype=np.int64),
        kick_from=np.zeros(2, dtype=np.int64),
        kick_column=np.empty(0, dtype=np.int64),
        kick_amount=np.empty(0),
    )


def _edges(
    timeline: Timeline, start: int, end: int, stops: NDArray[np.int64], marks: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct ms that steps from ``start`` to ``end`` must meet, and the last discontinuity by each but the end."""
    inner = np.concatenate([timeline.changes_between(start, end), stops[(stops > start) & (stops < end)], marks])
    edges = np.unique(np.concatenate([np.array([start, end], dtype=np.int64), inner]))
    begins = edges[:-1]
    disturbed = timeline.disturbed
    last = np.searchsorted(disturbed, begins, side="right") - 1
    kicked = np.where(last >= 0, disturbed[np.maximum(last, 0)], timeline.start) if len(disturbed) else begins
    return edges, np.maximum(kicked, timeline.start)
