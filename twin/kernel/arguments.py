"""What the functions of a kernel are called with, and what they do with it.

Of N particles, P parameters, L linear states, I input columns, of which K are late, and O rows of output. The source
that `twin.kernel.codegen` generates follows the order of the fields here, so that it cannot take one for another.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers


class System(NamedTuple):
    """The equations of N particles under one set of covariates; the linear block in its eigenbasis, A = V diag(lam) W.

    Attributes:
        par: (N, P) individual parameters.
        lam, v, w: (N, L) eigenvalues, (N, L, L) eigenvectors and their inverses.
        bw, cw: (N, L, I) and (N, L), W B and W c.
        timing: (N, K, `twin.kernel.delayed_input.TIMING`) when doses enter; it moves no state by itself.
    """

    par: Floats
    lam: Floats
    v: Floats
    w: Floats
    bw: Floats
    cw: Floats
    timing: Floats

    def of(self, part: slice) -> System:
        """The equations of some of the particles."""
        return System(*(each[part] for each in self))


class Inputs(NamedTuple):
    """What enters in K stretches of time, the same for all particles.

    Attributes:
        rates: (M, I) input rates in model units per model time unit.
        row: (K,) row of ``rates`` that holds in each stretch.
        kick_from: (K + 1,) range of the kicks at the begin of each.
        kick_column, kick_amount: (Q,) input column and amount of an impulse. A column below 0 is a reset, which names
            the state that it sets to zero by -1 - i, i counting the linear states first and the stepped ones after.
    """

    rates: Floats
    row: Integers
    kick_from: Integers
    kick_column: Integers
    kick_amount: Floats


class Steps(NamedTuple):
    """Steps that all particles take.

    Attributes:
        start, dt: (K,) begin (model time since the timeline's start) and length of each step.
        inputs: of each step.
        mark: (K,) row of the output array to fill after a step, or -1.
    """

    start: Floats
    dt: Floats
    inputs: Inputs
    mark: Integers


class Intervals(NamedTuple):
    """Time from edge to edge, between which particles step on their own.

    Attributes:
        edge: (K + 1,) model time since the timeline's start.
        disturbed: (K,) time of the last discontinuity at or before each interval's begin.
        inputs: of each interval.
        mark: (K,) row of the output array to fill after an interval, or -1.
    """

    edge: Floats
    disturbed: Floats
    inputs: Inputs
    mark: Integers


class StepSizes(NamedTuple):
    """Step sizes of a model in its own time unit (`twin.solver.step_schedule`); ``first <= 0`` means that nothing needs
    stepping."""

    first: float
    growth: float
    largest: float


class OwnEdges(NamedTuple):
    """Each particle's own edges within a stretch, one after another (`twin.kernel.own_edges`).

    Attributes:
        edge_from: (N + 1,) range of each particle's edges.
        edges: (E,) records `twin.kernel.own_edges.EDGE`.
        rates: (E, K) rates of the late columns from an edge on.
        flow_from: (N, K + 1) ranges of each particle's flows into each late column.
        flows: (F,) records `twin.kernel.own_edges.FLOW`.
    """

    edge_from: Integers
    edges: NDArray[np.void]
    rates: Floats
    flow_from: Integers
    flows: NDArray[np.void]


class OwnSteps(NamedTuple):
    """What a particle finds its own steps by, where doses enter at another time in every one."""

    intervals: Intervals
    sizes: StepSizes
    own: OwnEdges


class IndividualParameters(Protocol):
    """Individual parameters (N, P) into ``par``, for effects (N, E) and covariates (C,)."""

    def __call__(self, effects: Floats, covariates: Floats, par: Floats, /) -> None: ...


class InitialStates(Protocol):
    """Initial linear states (N, L) into ``x`` and stepped ones (N, S) into ``y``."""

    def __call__(self, par: Floats, covariates: Floats, x: Floats, y: Floats, /) -> None: ...


class LinearBlock(Protocol):
    """What is not zero of A (N, L, L), B (N, L, I) and c (N, L) in dx/dt = A x + B u + c, into ``a``, ``b``, ``c``."""

    def __call__(self, par: Floats, covariates: Floats, a: Floats, b: Floats, c: Floats, /) -> None: ...


class Timing(Protocol):
    """When doses enter, (N, K, `twin.kernel.delayed_input.TIMING`), into ``timing``."""

    def __call__(self, par: Floats, covariates: Floats, timing: Floats, /) -> None: ...


class Weigh(Protocol):
    """What every input is multiplied by when it is given, (E, I), of 1 where nothing is, into ``weight``, for
    covariates (E, C)."""

    def __call__(self, covariates: Floats, weight: Floats, /) -> None: ...


class Advance(Protocol):
    """Modal states ``z`` (N, L) and stepped ``y`` (N, S) through steps, in place, and outputs at marks into ``out``.

    ``out`` is (M, O, N). `OwnSteps` are for models with late inputs, `Steps` for all others.
    """

    def __call__(
        self, z: Floats, y: Floats, covariates: Floats, system: System, steps: Steps | OwnSteps, out: Floats, /
    ) -> None: ...
