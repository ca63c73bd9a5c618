"""Step sizes between discontinuities.

After a kick (a rate change or an impulse) a solution moves fast at first and slower with time, as sums of exponentials
do; so the step grows in proportion to the time since the kick, from a first step up to a largest one:

    h = min(largest, max(first, growth * tau)).

Steps depend on the timeline alone, never on the particle or on when anyone looked, and a step never crosses a
boundary; so solving in one go and solving piece by piece take the same steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import UNIT_MS
from twin.kernel.kernel import Kernel
from twin.timeline.timeline import Timeline

GROWTH = 0.2
"""Step size as a fraction of the time since the kick, where nothing else is known."""


@dataclass(frozen=True)
class Schedule:
    """Steps of one stretch of time, as `Kernel.advance` reads them.

    Attributes:
        start, dt: (K,) begin (model time since the timeline's start) and length of each step.
        row: (K,) row of the timeline's rates that holds during a step.
        kick_from: (K + 1,) range of kicks applied at the start of a step.
        mark: (K,) row of the output array to fill after a step, or -1.
    """

    start: Floats
    dt: Floats
    row: NDArray[np.int64]
    kick_from: NDArray[np.int64]
    kick_column: NDArray[np.int64]
    kick_amount: Floats
    mark: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StepSizes:
    """Step sizes of a model in its own time unit; ``first <= 0`` means that nothing needs stepping."""

    first: float
    growth: float
    largest: float


@njit(nogil=True, cache=True)
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
) -> Schedule:
    """Steps from ``start`` to ``end`` (ms) that meet every discontinuity, every stop and every mark.

    Args:
        stops: boundaries without output; marks: sorted distinct boundaries in (start, end] at which outputs are wanted.
    """
    unit = UNIT_MS[kernel.model.time_unit]
    edges, kicked = _edges(timeline, start, end, stops, marks)
    begins, ends = edges[:-1], edges[1:]
    length, tau = (ends - begins) / unit, (begins - kicked) / unit
    size = (
        64
        + 4 * len(length)
        + int(min(1e7, length.sum() / step_sizes.largest if np.isfinite(step_sizes.largest) else 0))
    )
    while True:
        offset, dt, interval = np.empty(size), np.empty(size), np.empty(size, dtype=np.int64)
        count = _fill(length, tau, step_sizes.first, step_sizes.growth, step_sizes.largest, offset, dt, interval)
        if count >= 0:
            break
        size *= 2
    offset, dt, interval = offset[:count], dt[:count], interval[:count]
    opens = np.flatnonzero(np.diff(interval, prepend=-1))
    row = np.searchsorted(timeline.change, begins, side="right")[interval]
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
    return Schedule(
        (begins[interval] - timeline.start) / unit + offset,
        dt,
        row,
        kick_from,
        timeline.kick_column[low:high],
        timeline.kick_amount[low:high],
        mark,
    )


@dataclass(frozen=True)
class Segments:
    """One stretch of time from edge to edge, where particles step between edges on their own
    (`twin.kernel.delayed_stepper`).

    Attributes:
        edge: (K + 1,) model time since the timeline's start.
        disturbed: (K,) time of the last discontinuity at or before each segment's begin.
        row, kick_from, kick_column, kick_amount, mark: as in `Schedule`, of segments instead of steps.
    """

    edge: Floats
    disturbed: Floats
    row: NDArray[np.int64]
    kick_from: NDArray[np.int64]
    kick_column: NDArray[np.int64]
    kick_amount: Floats
    mark: NDArray[np.int64]


def segments(
    timeline: Timeline, kernel: Kernel, start: int, end: int, stops: NDArray[np.int64], marks: NDArray[np.int64]
) -> Segments:
    """Segments from ``start`` to ``end`` (ms); arguments as of `schedule`."""
    unit = UNIT_MS[kernel.model.time_unit]
    edges, kicked = _edges(timeline, start, end, stops, marks)
    mark = np.full(len(edges) - 1, -1, dtype=np.int64)
    mark[np.searchsorted(edges, marks) - 1] = np.arange(len(marks))
    low, high = np.searchsorted(timeline.kick, [start, end], side="left")
    return Segments(
        (edges - timeline.start) / unit,
        (kicked - timeline.start) / unit,
        np.searchsorted(timeline.change, edges[:-1], side="right"),
        np.searchsorted(timeline.kick[low:high], edges, side="left"),
        timeline.kick_column[low:high],
        timeline.kick_amount[low:high],
        mark,
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
