"""From facts to what the equations need: input rates, impulses, covariates as they stood, observations.

A pure function of the history. Two timelines can be compared, to learn from when on a new fact matters.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.clock import HOUR_MS, UNIT_MS
from twin.events import Covariate, DoseGiven, DrugLevel, LabResult, PumpDelivery, PumpTotals, StateReset
from twin.kernel.delayed_input import PieceRow, Pieces
from twin.kernel.kernel import Kernel
from twin.model.formula import ROUTES, arguments_of
from twin.observation.kinds import kind_of
from twin.observation.observation import Observation
from twin.record.history import ClinicalEvent, History
from twin.timeline.covariates import carry
from twin.timeline.delivery import Delivered, Steps, delivered, sum_of_steps
from twin.timeline.observations import _observations
from twin.timeline.record_columns import with_record
from twin.timeline.restarts import SteadyDose, as_entering, late_pieces, late_pulses, steady_doses
from twin.timeline.segments import UNDIVIDED, Segments, segments_of

NO_RESETS: NDArray[np.int64] = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Timeline:
    """A patient's history as the kernel reads it.

    Attributes:
        start: ms of the first fact that matters to the model.
        change: (M,) ms at which a delivered rate changes, sorted.
        rates: (M + 1, I) input rates in model units per model time unit; row m holds before ``change[m]``. What enters
            by late columns is in ``late``.
        kick, kick_column, kick_amount: (Q,) impulses in time order: input column, or a reset (`Kernel` columns < 0).
        epoch: (E,) ms from which a row of ``covariates`` (E, C) holds, those of `Kernel.covariates`.
        observations: in event-time order.
        delivered: per drug, step function of the rate in mg/h, and impulses (ms, mg).
        courses: per target, ms at which a course of its drug began.
        resets: (R,) ms at which all states go back to their initial values.
        steady: by ms, sorted, the doses that the patient is in steady state of just before they are given.
        widening: (d,) variance that the prior of each eta has besides, for characteristics that were never reported.
        segments: stretches of constant random effects.
    """

    start: int
    change: NDArray[np.int64]
    rates: NDArray[np.float64]
    kick: NDArray[np.int64]
    kick_column: NDArray[np.int64]
    kick_amount: NDArray[np.float64]
    epoch: NDArray[np.int64]
    covariates: NDArray[np.float64]
    observations: tuple[Observation, ...]
    delivered: dict[str, Delivered]
    courses: tuple[tuple[int, ...], ...]
    widening: NDArray[np.float64]
    late: Pieces
    resets: NDArray[np.int64]
    steady: Mapping[int, tuple[SteadyDose, ...]]
    segments: Segments = UNDIVIDED

    @functools.cached_property
    def disturbed(self) -> NDArray[np.int64]:
        """Distinct ms at which a rate, covariate, impulse or reset makes the equations discontinuous, sorted."""
        return np.unique(np.concatenate([self.change, self.kick, self.epoch, self.restarts]))

    @functools.cached_property
    def restarts(self) -> NDArray[np.int64]:
        """Distinct ms at which all states are set: to their initial values or to a steady state, sorted."""
        return np.union1d(self.resets, np.array(list(self.steady), dtype=np.int64))

    def covariates_at(self, millis: int) -> NDArray[np.float64]:
        """Covariates (C,) that hold from ``millis`` on."""
        return np.asarray(self.covariates[int(np.searchsorted(self.epoch, millis, side="right")) - 1])

    def changes_between(self, start: int, end: int) -> NDArray[np.int64]:
        """Distinct times in (start, end) at which a rate, covariate or impulse makes the equations discontinuous."""
        low, high = np.searchsorted(self.disturbed, start, side="right"), np.searchsorted(self.disturbed, end)
        return self.disturbed[low:high]


def build(history: History, kernel: Kernel) -> Timeline | None:
    """The timeline of a history; ``None`` while it holds no fact that matters to the model."""
    facts = list(history.effective())

    def of(*kinds: type[ClinicalEvent]) -> list[tuple[int, ClinicalEvent]]:
        # Years of doses are sorted out once, here: a membership costs a third of an isinstance.
        return [(millis, fact) for millis, fact in facts if type(fact) in kinds]

    deliveries = of(PumpDelivery, PumpTotals, DoseGiven)
    given = {drug: delivered(drug, deliveries, history.samples) for drug in kernel.model.drugs}
    observations = _observations(of(DrugLevel, LabResult), kernel.model)
    carried = carry(of(Covariate, LabResult), kernel.model)
    resets = np.array(sorted({millis for millis, _ in of(StateReset)}), dtype=np.int64)
    starts = [step[0] for drug in given.values() for step in drug.rate]
    starts += [impulse[0] for drug in given.values() for impulse in drug.impulses]
    starts += [o.moments[0] if o.moments else o.millis for o in observations]
    if not starts:
        return None
    start, widening = min(starts), carried.widening
    return assemble(kernel, start, given, observations, carried.epoch, carried.values, widening, resets)


def assemble(
    kernel: Kernel,
    start: int,
    given: dict[str, Delivered],
    observations: tuple[Observation, ...],
    epoch: NDArray[np.int64],
    covariates: NDArray[np.float64],
    widening: NDArray[np.float64] | None = None,
    resets: NDArray[np.int64] = NO_RESETS,
    *,
    restarting: bool = True,
) -> Timeline:
    """Lay deliveries out as the kernel's input columns (see `Timeline`).

    ``covariates`` are the patient's, (E, C); columns for the functions of the record are laid beside them here. Without
    ``restarting``, doses in steady state only bring what is left of those before them.
    """
    model = kernel.model
    measured = [(o.millis, o.output, o.value) for o in observations]
    outputs, unit = kernel.outputs, UNIT_MS[model.time_unit]
    segments = segments_of(model, unit, start, given, epoch, covariates)
    epoch, covariates = with_record(kernel.record, outputs, unit, start, given, measured, epoch, covariates)
    columns = [_column(call, kernel.inputs) for call in kernel.inputs]
    per_hour = UNIT_MS[model.time_unit] / HOUR_MS
    steps: list[Steps] = []
    kicks: list[tuple[int, int, float]] = []
    pieces: list[PieceRow] = []
    steady = steady_doses(given)
    # A steady state stands for all that came before it, a reset at the same instant included.
    resets = np.setdiff1d(resets, np.array(list(steady), dtype=np.int64))
    restarts = sorted({*resets.tolist(), *steady}) if restarting else []
    entering = {drug: as_entering(source, restarts) for drug, source in given.items()}
    for j, (function, drug, routes) in enumerate(columns):
        source = entering.get(drug, Delivered())
        scale = model.input_scale.get(drug, 1.0)
        if function == "pulse":
            steps.append([])
            if j in kernel.late:
                pieces += late_pulses(kernel.late.index(j), source, restarts)
            else:
                kicks += [(millis, j, 1.0) for millis in source.pulses]
            continue
        if j in kernel.late:
            pieces += late_pieces(kernel.late.index(j), given.get(drug, Delivered()), restarts, routes, scale, per_hour)
        of_routes = [step for route, step in sorted(source.rate_by_route.items()) if routes is None or route in routes]
        steps.append([(millis, rate * scale * per_hour) for millis, rate in sum_of_steps(of_routes)])
        if j not in kernel.late:
            kicks += [(m, j, a * scale) for m, a, route in source.impulses if routes is None or route in routes]
    courses = tuple(
        tuple(given.get(t.drug, Delivered()).starts(round(t.course_gap * UNIT_MS[model.time_unit])))
        for t in model.targets
    )
    states = [*kernel.linear, *kernel.stepped]
    for target, begun in zip(model.targets, courses, strict=True):
        kicks += [(millis, -1 - states.index(target.state), 0.0) for millis in begun]
    for observation in observations:
        output = model.outputs[observation.output]
        own_state = kind_of(output).own_state(output)
        if own_state is not None:
            kicks.append((observation.millis, -1 - states.index(own_state), 0.0))
    kicks.sort()
    change = np.unique(np.array([millis for column in steps for millis, _ in column], dtype=np.int64))
    rates = np.zeros((len(change) + 1, len(columns)))
    for j, column in enumerate(steps):
        if column and j not in kernel.late:
            at = np.searchsorted(np.array([millis for millis, _ in column]), change, side="right")
            rates[1:, j] = np.concatenate([[0.0], [rate for _, rate in column]])[at]
    return Timeline(
        start,
        change,
        rates,
        np.array([k[0] for k in kicks], dtype=np.int64),
        np.array([k[1] for k in kicks], dtype=np.int64),
        np.array([k[2] for k in kicks]),
        epoch,
        covariates,
        observations,
        given,
        courses,
        np.zeros(len(model.eta_names)) if widening is None else widening,
        Pieces.of(pieces),
        resets,
        steady if restarting else {},
        segments,
    )


@functools.cache
def _column(call: str, every: tuple[str, ...]) -> tuple[str, str, frozenset[str] | None]:
    """An input call as (function, drug, routes); ``None`` routes means all that no other column claims."""
    function, (drug, *route), _ = arguments_of(call)
    if route:
        return function, drug, frozenset(route)
    claimed = {words[1] for _, words, _ in map(arguments_of, every) if words[0] == drug and len(words) > 1}
    return function, drug, frozenset(set(ROUTES) - claimed) if claimed else None
