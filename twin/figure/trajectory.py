"""A patient's outputs through time as the twin sees them now: the past given everything observed, and what lies ahead.

The particles that stand for the present belief are solved along the whole record and on into the planned future. So
the past is what it is believed to have been now, not what was believed then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.belief import Belief
from twin.filter.quantiles import quantiles
from twin.filter.trunk import Trunk
from twin.record.orders import PlanStep
from twin.timeline.planned_future import extended
from twin.timeline.timeline import Timeline

EVEN = 240
"""Points of a curve, evenly over the record."""

AFTER = 16
"""Further points after each change of input, where there are few enough of them to be seen."""

MOST_CHANGES = 60


@dataclass(frozen=True)
class Trajectory:
    """Outputs through time, without residual error.

    Attributes:
        now: ms up to which the record is known.
        times: (T,) ms, sorted.
        bands: (T, O, 5) quantiles 5, 25, 50, 75 and 95 % of each output; NaN where the past is no longer revised and
            particles know nothing of it (drift).
        timeline: the record, and from ``now`` on what is planned.
    """

    now: int
    times: NDArray[np.int64]
    bands: Floats
    timeline: Timeline


def trajectory(
    trunk: Trunk, belief: Belief, timeline: Timeline, plan: Mapping[str, tuple[PlanStep, ...]], now: int, ahead: int
) -> Trajectory:
    """The trajectory from the start of the ``timeline`` until ``ahead`` ms after ``now``, with doses as planned."""
    future, _ = extended(timeline, trunk.kernel, now, plan)
    times = np.union1d(curve_times(future, now + ahead), now)
    out = trunk.look_back(belief, future, times)[:, : len(trunk.kernel.model.outputs)]
    known = np.isfinite(out).any(axis=2)
    bands = np.full((*out.shape[:2], 5), np.nan)
    bands[known] = quantiles(out[known], belief.weight)
    return Trajectory(now, times, bands, future)


def curve_times(timeline: Timeline, end: int) -> NDArray[np.int64]:
    """Times (ms) of a curve until ``end``: evenly, at every value, and dense after every change of input."""
    edges = np.array([timeline.start, *timeline.changes_between(timeline.start, end), end])
    parts = [np.linspace(timeline.start, end, EVEN), np.array([float(o.millis) for o in timeline.observations])]
    if len(edges) <= MOST_CHANGES:
        parts += [start + (stop - start) * np.linspace(0, 1, AFTER) ** 3 for start, stop in pairwise(edges)]
    return np.unique(np.rint(np.concatenate(parts)).astype(np.int64))
