"""Stretches of a record within which a patient's random effects stay as they are.

A segment ends where an occasion begins or a drift takes its next step. Occasions follow from what was delivered or
told; the steps of a drift lie on a fixed grid in event time. The ms at which either begins is its name: the effects
that it brings are drawn under that name, whoever asks first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.model.spec import Model
from twin.timeline.delivery import Delivered

EVER = -(2**63)
"""When the first occasion began: it holds since before the record."""


class Segment(NamedTuple):
    """Which effects hold: ms at which the occasion began, and ms of the newest step of the drift (`EVER`: none)."""

    occasion: int
    step: int


ALWAYS = Segment(EVER, EVER)
"""The one segment of a record without occasions and drift."""


class Layout(NamedTuple):
    """Columns of a row of effects, in this order.

    Free: eta (d) if there is no checkpoint; kappa (o) of each of ``occasions``; increments (d) of each of ``steps``.
    Carried, with a checkpoint: effects there (d), kappa (o) of the occasion ``held`` that ran there, states (S).

    Attributes:
        since: ms of the checkpoint; ``None``: the past is free from the start of the record.
        occasions, steps: ms at which they begin, sorted.
        held: ms at which the occasion began that ran at the checkpoint.
    """

    since: int | None = None
    occasions: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()
    held: int = EVER


STILL = Layout()
"""Columns of a model without occasions and drift: eta alone."""


@dataclass(frozen=True)
class Segments:
    """All segments of a record (all times in ms).

    Attributes:
        start: of the record; a drift takes no step at or before it.
        occasions: begins of all occasions but the first, sorted.
        first, every: a further way to tell them: one begins each ``every`` after ``first``.
        grid: a drift steps at whole multiples of it; ``None`` without drift.
    """

    start: int = 0
    occasions: tuple[int, ...] = ()
    first: int = 0
    every: int | None = None
    grid: int | None = None

    def at(self, millis: int) -> Segment:
        """The segment that holds from ``millis`` on."""
        at = bisect_right(self.occasions, millis)
        occasion = self.occasions[at - 1] if at else EVER
        if self.every is not None and millis >= self.first + self.every:
            occasion = self.first + (millis - self.first) // self.every * self.every
        step = EVER if self.grid is None else millis // self.grid * self.grid
        return Segment(occasion, step if step > self.start else EVER)

    def next_after(self, millis: int) -> int | None:
        """When the next segment begins; ``None`` when this one lasts for good."""
        at = bisect_right(self.occasions, millis)
        found = list(self.occasions[at : at + 1])
        if self.every is not None:
            found.append(self.first + max(1, (millis - self.first) // self.every + 1) * self.every)
        if self.grid is not None:
            found.append((max(millis, self.start) // self.grid + 1) * self.grid)
        return min(found, default=None)

    def occasions_before(self, millis: int) -> tuple[int, ...]:
        """Begins of the occasions that began before ``millis``, the first among them."""
        found = [EVER, *(begin for begin in self.occasions if begin < millis)]
        if self.every is not None:
            found += range(self.first + self.every, millis, self.every)
        return tuple(found)

    def steps_before(self, millis: int, since: int | None = None) -> tuple[int, ...]:
        """Steps of the drift before ``millis``: after the start of the record, or not before ``since``."""
        if self.grid is None:
            return ()
        first = (self.start // self.grid + 1) * self.grid if since is None else -(-since // self.grid) * self.grid
        return tuple(range(first, millis, self.grid))


UNDIVIDED = Segments()
"""A record without occasions and drift."""


def segments_of(
    model: Model,
    unit_ms: int,
    start: int,
    given: Mapping[str, Delivered],
    epoch: NDArray[np.int64],
    covariates: NDArray[np.float64],
) -> Segments:
    """The segments of a record that starts at ``start`` (ms).

    Args:
        unit_ms: ms in the model's unit of time.
        given: what was delivered of each drug.
        epoch, covariates: (E,) ms from which a row (E, C) of the model's covariates holds.
    """
    grid = None if model.drift is None else round(model.drift.grid * unit_ms)
    reported = model.occasions
    if reported is None:
        return Segments(start, grid=grid)
    if reported.covariate is not None:
        column = covariates[:, [c.name for c in model.covariates].index(reported.covariate)]
        changed = np.flatnonzero(np.diff(column)) + 1
        return Segments(start, tuple(epoch[changed].tolist()), grid=grid)
    assert reported.drug is not None
    starts = given.get(reported.drug, Delivered()).starts(round((reported.gap or 0.0) * unit_ms))
    if reported.gap is not None:
        return Segments(start, tuple(starts[1:]), grid=grid)
    assert reported.every is not None
    every = round(reported.every * unit_ms) if starts else None
    return Segments(start, (), starts[0] if starts else 0, every, grid)
