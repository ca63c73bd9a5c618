"""Steady state: where a patient stands just before a dose that has been given at one interval for ever.

The period map P takes the states over one interval, from just before a dose to just before the next; the steady state
is its fixed point, for every particle its own.

- Linear block: P is affine and diagonal in the eigenbasis, so that z = P(0) / (1 - exp(lambda II)) in closed form.
- Stepped states: Newton's method on P(y) = y with differences of P for its slopes, from the state after a few
  intervals; where a Newton step would leave the possible, an interval is lived through instead.

What only gathers (an area under a curve: no equation reads it) has no steady state and begins anew. A particle whose
states do not settle, such as a tumour that grows on, is impossible: its outputs are not numbers.

Several doses recorded at one instant are in steady state together. Their intervals are brought to the longest: the
others are given in it a whole number of times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import HOUR_MS, UNIT_HOURS
from twin.kernel.arguments import System
from twin.kernel.kernel import Kernel
from twin.model.formula import names_in
from twin.solver.cloud import Cloud
from twin.timeline.delivery import Delivered, with_rates
from twin.timeline.timeline import Timeline, assemble

LIVED = 4
"""Intervals lived through before the first Newton step."""

MOST_ROUNDS = 40
"""Newton steps after which a particle is given up."""

SETTLED = 1e-7
"""A Newton step this small, relative to the state, leaves an error of rounding."""

BUMP = 1e-5
"""Relative displacement of a state to learn the slopes of the period map."""


class Particles(Protocol):
    """What a period map needs of `twin.solver.solver.Solver`."""

    @property
    def kernel(self) -> Kernel: ...

    def system(self, covariates: Floats, /) -> System: ...

    def initial(self, timeline: Timeline, /) -> Cloud: ...

    def natural(self, cloud: Cloud, timeline: Timeline, /) -> tuple[Floats, Floats]: ...

    def advance(self, cloud: Cloud, timeline: Timeline, end: int, /) -> tuple[Cloud, Floats]: ...

    def taken(self, index: NDArray[np.int64], /) -> Self: ...


def steady_state(solver: Particles, timeline: Timeline, millis: int, row: Floats) -> tuple[Floats, Floats]:
    """Linear states x (N, L) and stepped y (N, S) of all particles just before their steady doses at ``millis``.

    Args:
        row: (C,) the covariate vector from ``millis`` on, which is taken to have held for ever.
    """
    kernel = solver.kernel
    interval = _interval(timeline, kernel, millis, row)
    gathering = _gathering(kernel)
    system = solver.system(interval.covariates[0])
    begin = solver.initial(interval)
    first_x, first_y = solver.natural(begin, interval)
    nothing = replace(begin, z=np.zeros_like(begin.z))
    z = _settled_modes(
        kernel, system.lam, solver.advance(nothing, interval, millis)[0].z, _length(kernel, interval, millis)
    )
    x, _ = solver.natural(replace(begin, z=z), interval)
    linear = np.array([name in gathering for name in kernel.linear], dtype=bool)
    x[:, linear] = first_x[:, linear]
    free = np.array([i for i, name in enumerate(kernel.stepped) if name not in gathering], dtype=np.int64)
    if not len(free):
        return x, first_y
    logarithmic = np.array([name in kernel.structure.growing for name in kernel.stepped])[free]

    def lived(particles: Particles, at: Floats, y: Floats) -> Floats:
        return particles.advance(replace(begin, z=at, y=np.ascontiguousarray(y)), interval, millis)[0].y

    def period(index: NDArray[np.int64], y: Floats) -> Floats:
        return lived(solver.taken(index), z[index], y)[:, free]

    y = first_y.copy()
    for _ in range(LIVED):
        y[:, free] = lived(solver, z, y)[:, free]
    return x, _fixed_point(period, y, free, logarithmic)


def _fixed_point(
    period: Callable[[NDArray[np.int64], Floats], Floats],
    y: Floats,
    free: NDArray[np.int64],
    logarithmic: NDArray[np.bool_],
) -> Floats:
    """Stepped states (N, S) that a period leaves as they are, by Newton's method from ``y``; not a number where there
    are none.

    Args:
        period: the ``free`` states after it, of particles (by index) from their states.
        logarithmic: which of ``free`` are stepped as their logarithm.
    """
    settled = np.zeros(len(y), dtype=bool)
    for _ in range(MOST_ROUNDS):
        # A particle that has settled is left alone, so that it comes out the same whoever it is solved with.
        moving = np.flatnonzero(~settled & np.isfinite(y).all(axis=1))
        if not len(moving):
            break
        some = np.repeat(moving, len(free) + 1)
        displaced, bump = _displaced(y[moving], free, logarithmic)
        after = period(some, displaced).reshape(len(moving), len(free) + 1, -1)
        slopes = (after[:, 1:] - after[:, :1]).transpose(0, 2, 1) / bump[:, None, :]
        here = y[moving][:, free]
        step = _newton(np.eye(len(free)) - slopes, after[:, 0] - here)
        moved = here + step
        with np.errstate(invalid="ignore"):
            possible = np.where(logarithmic, np.abs(step) < 3, (moved >= 0) | (here < 0))
            usable = np.asarray((np.isfinite(moved) & possible).all(axis=1))
            small = np.abs(step) <= SETTLED * np.where(logarithmic, 1.0, np.abs(moved) + 1e-9 * _largest(moved))
        y[np.ix_(moving, free)] = np.where(usable[:, None], moved, after[:, 0])
        settled[moving] = usable & (small | np.isneginf(here)).all(axis=1)
    y[~settled] = np.nan
    return y


def _interval(timeline: Timeline, kernel: Kernel, millis: int, row: Floats) -> Timeline:
    """The last interval before ``millis``, lived as all those before it."""
    doses = timeline.steady[millis]
    length = max(dose.every for _, dose in doses)
    given: dict[str, Delivered] = {}
    for drug, dose in doses:
        source = given.setdefault(drug, Delivered())
        times = max(1, round(length / dose.every))
        for i in range(times):
            at = millis - length + round(i * length / times)
            copy = dose._replace(millis=at, every=length)
            source.pulses.append(at)
            source.steady.append(copy)
            if dose.span:
                source.recorded.append(copy.recorded(at))
            else:
                source.impulses.append((at, dose.amount, dose.route))
    given = {drug: with_rates(source) for drug, source in given.items()}
    count = len(kernel.model.covariates)
    epoch = timeline.epoch[:1]
    made = assemble(kernel, millis - length, given, (), epoch, row[None, :count], restarting=False, weighed_by=row)
    # One stretch of constant covariates; what tells of time counts from this interval's own begin.
    row_there = row.copy()
    for j, name in enumerate(kernel.record, start=count):
        if name == "clock" or name.startswith(("since(", "tad(")):
            row_there[j] = made.covariates[np.searchsorted(made.epoch, millis - length, side="right") - 1, j]
    return replace(made, epoch=epoch, covariates=row_there[None])


def _length(kernel: Kernel, interval: Timeline, millis: int) -> float:
    hours = (millis - interval.start) / HOUR_MS
    return hours / UNIT_HOURS[kernel.model.time_unit]


def _gathering(kernel: Kernel) -> frozenset[str]:
    """States that no equation reads, their own included."""
    read: set[str] = set()
    for equation in kernel.structure.equations.values():
        read |= set(equation.states)
        read |= names_in(equation.rest) if equation.rest is not None else frozenset()
    # A stepped state whose logarithm is stepped reads itself.
    return frozenset({*kernel.linear, *kernel.stepped}) - read - kernel.structure.growing


def _settled_modes(kernel: Kernel, lam: Floats, gained: Floats, length: float) -> Floats:
    """Modal coordinates (N, L) of the linear block in steady state, from what an interval adds to nothing."""
    keeping = np.abs(lam * length) < 1e-10
    z = np.where(keeping, 0.0, gained / np.where(keeping, 1.0, -np.expm1(lam * length)))
    gathering = sum(name in _gathering(kernel) for name in kernel.linear)
    z[(keeping.sum(axis=1) > gathering) | (lam * length > 1e-10).any(axis=1)] = np.nan
    return z


def _displaced(y: Floats, free: NDArray[np.int64], logarithmic: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Each particle as it is and with each free state displaced (N (F + 1), S), and by how much (N, F)."""
    here = y[:, free]
    bump = np.where(logarithmic, BUMP, BUMP * np.maximum(np.abs(here), 1e-6 * _largest(here)))
    bump = np.where(bump > 0, bump, BUMP)
    found = np.repeat(y[:, None, :], len(free) + 1, axis=1)
    for i, state in enumerate(free):
        found[:, i + 1, state] += bump[:, i]
    return found.reshape(-1, y.shape[1]), bump


def _largest(values: Floats) -> Floats:
    finite = np.where(np.isfinite(values), np.abs(values), 0.0)
    return np.asarray(finite.max(axis=1, keepdims=True))


def _newton(matrix: Floats, residual: Floats) -> Floats:
    """Solutions (N, F) of ``matrix`` (N, F, F) step = ``residual`` (N, F); not a number where there is none."""
    residual = np.where(np.isfinite(residual), residual, 0.0)
    usable = np.asarray(np.isfinite(matrix).all(axis=(1, 2)))
    matrix = np.where(usable[:, None, None], matrix, np.eye(matrix.shape[1]))
    usable &= np.abs(np.linalg.det(matrix)) > 1e-14
    matrix = np.where(usable[:, None, None], matrix, np.eye(matrix.shape[1]))
    step = np.linalg.solve(matrix, residual[..., None])[..., 0]
    return np.asarray(np.where(usable[:, None], step, np.nan))
