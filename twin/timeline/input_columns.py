"""Deliveries laid out as a kernel's input columns: rates, impulses, and what enters late.

An input call of a model's equations is a column. It reads one drug, by the routes that it names or, when it names none,
by all those that no other call of the drug claims; and of a dose that names the state it enters, what enters that one
(`twin.model.entrances`). What is known of a dose when it is given and multiplies it (`twin.model.coefficients`) is laid
in here: of what runs as it runs, of what enters late as its dose was given.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.clock import UNIT_HOURS, UNIT_MS
from twin.kernel.delayed_input import PieceRow, Pieces
from twin.kernel.kernel import Kernel
from twin.model.entrances import INTO, course_gap, taken_by
from twin.model.formula import arguments_of
from twin.timeline.delivery import Delivered
from twin.timeline.pumps.steps import Steps, sum_of_steps
from twin.timeline.restarts import as_entering, late_pieces, late_pulses

Kick = tuple[int, int, float]
"""Something that enters at once: ms, input column or a reset, amount (`twin.kernel.arguments.Inputs`)."""


class InputColumn(NamedTuple):
    """What a column of the input rates reads: a drug, by these routes, and doses that name their state by entrances.

    Where ``gap`` (model time) is above 0 it reads the first dose of each course alone, which so long without any ends.
    """

    function: str
    drug: str
    routes: frozenset[str]
    entrances: frozenset[str]
    gap: float

    def reads(self, entrance: str) -> bool:
        """Whether what is given by this entrance enters here."""
        return entrance in self.routes or entrance in self.entrances


class Entering(NamedTuple):
    """What enters, as a `twin.timeline.timeline.Timeline` holds it.

    Attributes:
        change, rates: (M,) ms and (M + 1, I) of the columns that are not late.
        kicks: impulses of those columns, in no order.
        late: what enters by the others.
    """

    change: NDArray[np.int64]
    rates: NDArray[np.float64]
    kicks: list[Kick]
    late: Pieces


class Weights(NamedTuple):
    """What doses are multiplied by: ms (E,) from which a row (E, I) holds, a column for each input."""

    epoch: NDArray[np.int64]
    rows: NDArray[np.float64]

    def at(self, millis: int, column: int) -> float:
        """The weight of a dose given at ``millis`` by an input column."""
        return float(self.rows[int(np.searchsorted(self.epoch, millis, side="right")) - 1, column])

    def of_steps(self, steps: Steps, column: int) -> Steps:
        """A rate times the weight as it is while it runs."""
        if not steps:
            return steps
        inside = (self.epoch > steps[0][0]) & (self.epoch < steps[-1][0])
        every = np.union1d(np.array([millis for millis, _ in steps], dtype=np.int64), self.epoch[inside])
        rates = _held(steps, every)
        found: Steps = []
        for millis, rate in zip(every.tolist(), rates.tolist(), strict=True):
            value = rate * self.at(millis, column) if rate else 0.0
            if not found or found[-1][1] != value:
                found.append((millis, value))
        return found


def weights_of(kernel: Kernel, epoch: NDArray[np.int64], covariates: NDArray[np.float64]) -> Weights | None:
    """What doses are multiplied by under covariates (E, C) from ``epoch`` (E,) on; ``None``: nothing is."""
    if kernel.weigh is None:
        return None
    rows = np.ones((len(epoch), len(kernel.inputs)))
    kernel.weigh(np.ascontiguousarray(covariates), rows)
    return Weights(epoch, rows)


def entering(
    kernel: Kernel, given: Mapping[str, Delivered], restarts: Sequence[int], weights: Weights | None = None
) -> Entering:
    """What enters of deliveries ``given``, where all states are set at ``restarts`` (ms, sorted)."""
    states = tuple(kernel.structure.enters.values())
    columns = [input_column(call, kernel.inputs, states) for call in kernel.inputs]
    late = kernel.late
    prompt = {drug: as_entering(source, restarts) for drug, source in given.items()}
    steps = [_steps(kernel, column, prompt.get(column.drug, Delivered())) for column in columns]
    if weights is not None:
        steps = [weights.of_steps(each, j) for j, each in enumerate(steps)]
    change = np.unique(np.array([millis for column in steps for millis, _ in column], dtype=np.int64))
    rates = np.zeros((len(change) + 1, len(columns)))
    kicks: list[Kick] = []
    pieces: list[PieceRow] = []
    for j, column in enumerate(columns):
        if j in late:
            found = _pieces(kernel, column, late.index(j), given.get(column.drug, Delivered()), restarts)
            pieces += found if weights is None else [_weighed(piece, weights.at(piece[0], j)) for piece in found]
            continue
        rates[1:, j] = _held(steps[j], change)
        at_once = _impulses(kernel, column, j, prompt.get(column.drug, Delivered()))
        kicks += at_once if weights is None else [(ms, j, amount * weights.at(ms, j)) for ms, _, amount in at_once]
    return Entering(change, rates, kicks, Pieces.of(pieces))


@functools.cache
def input_column(call: str, every: tuple[str, ...], states: tuple[tuple[str, ...], ...]) -> InputColumn:
    """What the column of an input call reads, where ``every`` are all calls of the model, and ``states`` what each of
    them enters."""
    function, (drug, *_), _ = arguments_of(call)
    entrances = {
        f"{route}{INTO}{state}"
        for state in states[every.index(call)]
        for route in taken_by(call, [other for other, into in zip(every, states, strict=True) if state in into])
    }
    return InputColumn(function, drug, taken_by(call, every), frozenset(entrances), course_gap(call))


def _steps(kernel: Kernel, column: InputColumn, source: Delivered) -> Steps:
    """The rate of a column over time, in model units per model time unit."""
    if column.function == "pulse":
        return []
    scale = kernel.model.input_scale.get(column.drug, 1.0)
    of_routes = [steps for route, steps in sorted(source.rate_by_route.items()) if column.reads(route)]
    return [(millis, rate * scale * UNIT_HOURS[kernel.model.time_unit]) for millis, rate in sum_of_steps(of_routes)]


def _held(steps: Steps, change: NDArray[np.int64]) -> NDArray[np.float64]:
    """Values (M,) that a step function has from each of ``change`` (M,) on."""
    at = np.searchsorted(np.array([millis for millis, _ in steps], dtype=np.int64), change, side="right")
    return np.asarray(np.array([0.0, *(value for _, value in steps)])[at])


def _impulses(kernel: Kernel, column: InputColumn, j: int, source: Delivered) -> list[Kick]:
    if column.function == "pulse":
        return [(millis, j, 1.0) for millis in _first_of_courses(kernel, column, source.pulses)]
    scale = kernel.model.input_scale.get(column.drug, 1.0)
    return [(millis, j, amount * scale) for millis, amount, route in source.impulses if column.reads(route)]


def _first_of_courses(kernel: Kernel, column: InputColumn, pulses: Sequence[int]) -> list[int]:
    """Of the doses at ``pulses`` (ms) those that a column sees: all, or the first of each course."""
    if column.gap == 0.0:
        return list(pulses)
    times = sorted(set(pulses))
    gap = round(column.gap * UNIT_MS[kernel.model.time_unit])
    return [now for i, now in enumerate(times) if i == 0 or now - times[i - 1] >= gap]


def _pieces(
    kernel: Kernel, column: InputColumn, number: int, source: Delivered, restarts: Sequence[int]
) -> list[PieceRow]:
    """What the late column of this number reads."""
    if column.function == "pulse":
        pulses = _first_of_courses(kernel, column, source.pulses)
        return late_pulses(number, replace(source, pulses=pulses), restarts)
    scale = kernel.model.input_scale.get(column.drug, 1.0)
    return late_pieces(number, source, restarts, column.reads, scale, UNIT_HOURS[kernel.model.time_unit])


def _weighed(piece: PieceRow, weight: float) -> PieceRow:
    given, column, begin, end, amount, until, every, rated, _ = piece
    return given, column, begin, end, amount * weight, until, every, rated, weight
