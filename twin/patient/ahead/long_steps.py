"""Branches in long steps: what is asked of the future of a model whose equations are stiff.

A twin's own path and forecasts are solved by explicit steps, of which a stiff model needs tens of thousands for a
cycle. What is asked beside it (what if, advice) is solved by `twin.kernel.loops.stabilised` instead, to
`twin.solver.step_control.LONG_TOLERANCE`: an error far below that of the particles. Particles are taken in the order of
their fastest rates, for a group takes as many stages as its fastest one asks for. Other models are solved as the twin
solves them, to the last bit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.filter.trunk import Trunk
from twin.kernel.arguments import System
from twin.kernel.kernel import Kernel, stabilised
from twin.solver.cloud import Cloud
from twin.solver.effects import Effects
from twin.solver.solver import Solver, step_alone
from twin.solver.step_control import long_step_sizes
from twin.timeline.segments import Segment, Segments
from twin.timeline.timeline import Timeline

TINY = 1e-7
"""Step (model time) over which a slope is looked at."""


def solved_ahead(trunk: Trunk, effects: Effects, cloud: Cloud, timeline: Timeline, marks: NDArray[np.int64]) -> Floats:
    """Outputs (M, O, N) of a branch from ``cloud`` at ``marks`` (ms, sorted, distinct, not before it)."""
    kernel, end = trunk.kernel, int(marks[-1])
    sizes = long_step_sizes(kernel, trunk.step_sizes)
    if sizes is None:
        return Solver(kernel, effects, trunk.step_sizes).advance(cloud, timeline, end, marks)[1]
    system = Solver(kernel, effects, sizes).system(
        timeline.covariates[cloud.epoch], timeline.segments, timeline.segments.at(cloud.millis)
    )
    order = np.argsort(_fastest_rates(kernel, system, timeline.covariates[cloud.epoch]), kind="stable")
    solver = Solver(stabilised(kernel), _Ordered(effects, order), sizes, shared=False)
    found = np.empty((len(marks), kernel.height, len(order)))
    found[:, :, order] = solver.advance(replace(cloud, z=cloud.z[order], y=cloud.y[order]), timeline, end, marks)[1]
    return found


def _fastest_rates(kernel: Kernel, system: System, covariates: Floats) -> Floats:
    """Each particle's (N,) fastest rate of a state by itself (1/time unit), before any dose; a guide and no bound."""
    count, states = len(system.par), len(kernel.stepped)
    x, begun = np.zeros((count, len(kernel.linear))), np.zeros((count, states))
    kernel.initial(system.par, covariates, x, begun)
    z = np.einsum("nij,nj->ni", system.w, x)

    def slopes(y: Floats) -> Floats:
        moved = y.copy()
        step_alone(kernel, system, covariates, z.copy(), moved, 0.0, TINY, np.empty((0, 0, 0)))
        return (moved - y) / TINY

    still, fastest = slopes(begun), np.zeros(count)
    for i in range(states):
        bump = 1e-5 * np.maximum(np.abs(begun[:, i]), 1e-3)
        moved = begun.copy()
        moved[:, i] += bump
        fastest = np.fmax(fastest, np.abs(slopes(moved)[:, i] - still[:, i]) / bump)
    return fastest


class _Ordered:
    """Effects of the same particles in another order: `Effects`."""

    def __init__(self, effects: Effects, order: NDArray[np.int64]) -> None:
        self._effects, self._order = effects, order

    @property
    def count(self) -> int:
        return self._effects.count

    def at(self, segments: Segments, segment: Segment, /) -> Floats:
        return self._effects.at(segments, segment)[self._order]

    def lasting(self, segments: Segments, segment: Segment, /) -> Floats:
        return self._effects.lasting(segments, segment)[self._order]
