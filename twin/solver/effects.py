"""Random effects through time: what differs between occasions, and what drifts.

The effect of a parameter in a segment (see `twin.timeline.segments`) is

    eta + kappa[occasion] + sum of the drift's increments so far,
    eta ~ N(0, omega),  kappa ~ N(0, omega_iov) on each occasion,  increment ~ N(0, drift * grid) at each step.

A particle is a row of numbers, and a `Layout` says which is which. Some are *free*: they are what Bayes' rule revises.
Others are *carried* with it: after a time (the lag) a particle's past is fixed, and what remains of it is the sum of
eta and the increments up to a checkpoint and the states it led to. Since the states and that sum are all that the
future depends on, a particle with a checkpoint has no use for eta itself.

What no datum has met yet is not stored: it is drawn under the name (patient, what, ms at which it begins) whenever it
is needed, so that a forecast and the later fold draw the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from twin.arrays import Floats, storable
from twin.model.spec import Model
from twin.randomness import generator
from twin.timeline.segments import EVER, STILL, Layout, Segment, Segments

LARGEST_STATE = 1e30
"""Beyond this a state at a checkpoint is not stored: single precision ends at 3e38."""


class Effects(Protocol):
    """Random effects of particles through time."""

    @property
    def count(self) -> int:
        """Number of particles."""

    def at(self, segments: Segments, segment: Segment, /) -> Floats:
        """Effects (N, E) in a segment, columns `Model.effect_names`."""

    def lasting(self, segments: Segments, segment: Segment, /) -> Floats:
        """The part of them (N, d) that outlasts the occasion: eta, as far as it has drifted."""


class Constant:
    """Effects (N, E) that never change."""

    def __init__(self, effects: Floats) -> None:
        self._effects = effects

    @property
    def count(self) -> int:
        """Number of particles."""
        return len(self._effects)

    def at(self, _segments: Segments, _segment: Segment, /) -> Floats:
        """Effects (N, E), whatever the segment."""
        return self._effects

    def lasting(self, _segments: Segments, _segment: Segment, /) -> Floats:
        """The same."""
        return self._effects


def effects_of(model: Model, layout: Layout, rows: Floats, key: tuple[object, ...]) -> Effects:
    """Effects of rows (N, K); ``key`` names the randomness of what they do not hold yet."""
    if model.drift is None and model.occasions is None:
        return Constant(rows)
    return _Varying(model, layout, rows, key)


def alone(model: Model, layout: Layout, rows: Floats) -> Effects:
    """Effects of rows (N, K) and no others: what these do not hold is as it is on average, kappas 0 and a drift where
    it was."""
    if not (model.iov_names or layout.steps):
        return Constant(rows)
    return _Varying(model, layout, rows, None)


class _Varying:
    """Effects with occasions or drift."""

    def __init__(self, model: Model, layout: Layout, rows: Floats, key: tuple[object, ...] | None) -> None:
        self._model = model
        self._key = key
        self._part = columns(model, layout)
        self._rows = rows
        self._kappa = {begin: rows[:, self._part.kappa(i)] for i, begin in enumerate(layout.occasions)}
        if layout.since is not None:
            self._kappa[layout.held] = rows[:, self._part.held]
        self._walk = {EVER if layout.since is None else layout.since - 1: rows[:, self._part.base]}
        for i, begin in enumerate(layout.steps):
            self._step_to(begin, rows[:, self._part.increment(i)])
        self._at: dict[Segment, Floats] = {}

    @property
    def count(self) -> int:
        """Number of particles."""
        return len(self._rows)

    def at(self, segments: Segments, segment: Segment, /) -> Floats:
        """Effects (N, E) in a segment: what the rows do not hold is drawn, where there is a key, or else none."""
        if segment not in self._at:
            found = np.zeros((self.count, len(self._model.effect_names)))
            found[:, : len(self._model.eta_names)] = self.lasting(segments, segment)
            if self._model.iov_names:
                column = [self._model.effect_names.index(name) for name in self._model.iov_names]
                found[:, column] += self.of_occasion(segment.occasion)
            self._at[segment] = found
        return self._at[segment]

    def of_occasion(self, begin: int) -> Floats:
        """Kappa (N, o) of the occasion that began at ``begin``."""
        if begin not in self._kappa:
            if self._key is None:
                return np.zeros((self.count, len(self._model.iov_names)))
            self._kappa[begin] = drawn_occasion(self._model, self._key, begin, self.count)
        return self._kappa[begin]

    def lasting(self, segments: Segments, segment: Segment, /) -> Floats:
        """Eta and all increments (N, d) so far."""
        step, newest = segment.step, next(reversed(self._walk))
        if self._model.drift is None:
            return self._walk[newest]
        if self._key is None:
            return self._walk[max(begin for begin in self._walk if begin <= step)]
        if step > newest:
            since = None if newest == EVER else newest + 1
            for begin in segments.steps_before(step + 1, since):
                self._step_to(begin, drawn_step(self._model, self._key, begin, self.count))
        return self._walk[step]

    def _step_to(self, begin: int, increment: Floats) -> None:
        self._walk[begin] = self._walk[next(reversed(self._walk))] + increment


class _Columns(NamedTuple):
    """Where things lie in a row: widths of eta, of a kappa, and the places of the parts of a `Layout`."""

    eta: int
    iov: int
    base: slice
    first_kappa: int
    first_step: int
    free: int
    held: slice
    state: slice

    def kappa(self, i: int) -> slice:
        """Columns of the i-th free occasion."""
        return slice(self.first_kappa + i * self.iov, self.first_kappa + (i + 1) * self.iov)

    def increment(self, i: int) -> slice:
        """Columns of the i-th free step."""
        return slice(self.first_step + i * self.eta, self.first_step + (i + 1) * self.eta)


def columns(model: Model, layout: Layout) -> _Columns:
    """Where the parts of a row lie."""
    eta, iov = len(model.eta_names), len(model.iov_names)
    first_kappa = eta if layout.since is None else 0
    first_step = first_kappa + iov * len(layout.occasions)
    free = first_step + eta * len(layout.steps)
    if layout.since is None:
        return _Columns(eta, iov, slice(0, eta), first_kappa, first_step, free, slice(free, free), slice(free, free))
    held, state = slice(free + eta, free + eta + iov), slice(free + eta + iov, None)
    return _Columns(eta, iov, slice(free, free + eta), first_kappa, first_step, free, held, state)


def width(model: Model, layout: Layout, states: int) -> int:
    """Columns of a row, of a model with so many states."""
    part = columns(model, layout)
    return part.free if layout.since is None else part.free + part.eta + part.iov + states


def drawn_occasion(model: Model, key: tuple[object, ...], begin: int, count: int) -> Floats:
    """Kappa (N, o) of the occasion that begins at ``begin`` (ms), from its prior."""
    normal = generator(*key, "occasion", begin).standard_normal((count, len(model.iov_names)))
    return storable(normal @ np.linalg.cholesky(model.omega_iov).T)


def drawn_step(model: Model, key: tuple[object, ...], begin: int, count: int) -> Floats:
    """Increments (N, d) of the drift's step at ``begin`` (ms), from their prior."""
    return storable(generator(*key, "step", begin).standard_normal((count, len(model.eta_names))) * step_sd(model))


def step_sd(model: Model) -> Floats:
    """Standard deviations (d,) of a step's increments."""
    if model.drift is None:
        return np.zeros(len(model.eta_names))
    variance = {p.name: p.drift or 0.0 for p in model.parameters}
    per_unit = np.array([variance[name] for name in model.eta_names], dtype=np.float64)
    return np.asarray(np.sqrt(per_unit * model.drift.grid))


def reaching(
    model: Model, layout: Layout, rows: Floats, segments: Segments, millis: int, key: tuple[object, ...]
) -> tuple[Layout, Floats]:
    """Layout and rows (N, K) that hold the effects of every segment begun before ``millis``."""
    if model.drift is None and model.occasions is None:
        return layout, rows
    known = {*layout.occasions, *(() if layout.since is None else (layout.held,))}
    after = EVER if layout.since is None else layout.held
    occasions = tuple(b for b in segments.occasions_before(millis) if b not in known and b >= after)
    if not model.iov_names:
        occasions = ()
    steps = tuple(b for b in segments.steps_before(millis, layout.since) if b not in set(layout.steps))
    part, count = columns(model, layout), len(rows)
    blocks = [
        rows[:, : part.first_step],
        *(drawn_occasion(model, key, begin, count) for begin in occasions),
        rows[:, part.first_step : part.free],
        *(drawn_step(model, key, begin, count) for begin in steps),
        rows[:, part.free :],
    ]
    grown = Layout(layout.since, (*layout.occasions, *occasions), (*layout.steps, *steps), layout.held)
    return grown, np.hstack(blocks)


def fixed(
    model: Model, layout: Layout, rows: Floats, segments: Segments, since: int, states: Floats
) -> tuple[Layout, Floats]:
    """Layout and rows with a checkpoint at ``since`` (ms, a step of the drift), where particles stand at ``states``.

    What begins at the checkpoint or later stays free: nothing before depends on it.
    """
    effects = _Varying(model, layout, rows, ())
    part = columns(model, layout)
    before = segments.at(since - 1)
    base, held = effects.lasting(segments, before), effects.of_occasion(before.occasion)
    blocks = [rows[:, part.kappa(i)] for i, begin in enumerate(layout.occasions) if begin >= since]
    blocks += [rows[:, part.increment(i)] for i, begin in enumerate(layout.steps) if begin >= since]
    later = Layout(
        since,
        tuple(begin for begin in layout.occasions if begin >= since),
        tuple(begin for begin in layout.steps if begin >= since),
        before.occasion,
    )
    # What a solution that overflowed stood at is nowhere: such particles weigh nothing, and must stay numbers.
    stored = np.clip(np.nan_to_num(states, nan=0.0), -LARGEST_STATE, LARGEST_STATE)
    return later, storable(np.hstack([*blocks, base, held, stored]))


@dataclass(frozen=True)
class Law:
    """The prior of free effects: N(0, factor factor') in K dimensions.

    Attributes:
        factor: (K, K), lower.
        core: how many of them, the first, are eta and kappas; the rest are a drift's increments, all independent.
        steps: groups of columns that begin together, in order of time (each a slice of the increments).
        carried: whether more columns ride along.
    """

    factor: Floats
    core: int
    steps: tuple[slice, ...] = ()
    carried: bool = False

    @property
    def size(self) -> int:
        """Number of free effects."""
        return len(self.factor)

    @property
    def sd(self) -> Floats:
        """Standard deviations (K,)."""
        return np.asarray(np.sqrt((self.factor * self.factor).sum(axis=1)))

    @property
    def covariance(self) -> Floats:
        """(K, K)."""
        return np.asarray(self.factor @ self.factor.T)

    def log_density(self, rows: Floats) -> Floats:
        """log N(free effects; 0, ...) per row of (N, K or more), without the constant."""
        core = slice(self.core)
        white = np.linalg.solve(self.factor[core, core], rows[:, core].T) if self.core else np.zeros((0, len(rows)))
        total = (white * white).sum(axis=0)
        if self.steps:
            walk = slice(self.core, self.size)
            total += ((rows[:, walk] / self.sd[walk]) ** 2).sum(axis=1)
        return np.asarray(-0.5 * total)

    @property
    def constant(self) -> float:
        """What `log_density` leaves out: - log det(2 pi covariance) / 2."""
        return float(-np.log(np.diag(self.factor)).sum() - 0.5 * self.size * np.log(2.0 * np.pi))


def law(model: Model, layout: Layout = STILL) -> Law:
    """The prior of the free effects of a layout."""
    part = columns(model, layout)
    factor = np.zeros((part.free, part.free))
    if layout.since is None and part.eta:
        factor[part.base, part.base] = np.linalg.cholesky(model.omega)
    for i in range(len(layout.occasions)):
        factor[part.kappa(i), part.kappa(i)] = np.linalg.cholesky(model.omega_iov)
    sd = step_sd(model)
    steps = tuple(part.increment(i) for i in range(len(layout.steps)))
    for step in steps:
        factor[step, step] = np.diag(sd)
    return Law(factor, part.first_step, steps, layout.since is not None)
