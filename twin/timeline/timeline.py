"""From facts to what the equations need: input rates, impulses, covariates as they stood, observations.

A pure function of the history. Two timelines can be compared, to learn from when on a new fact matters.
"""

from __future__ import annotations

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.clock import MINUTE_MS, UNIT_MS
from twin.events import (
    Covariate,
    DoseGiven,
    DrugLevel,
    FollowUpBegun,
    LabResult,
    PumpDelivery,
    PumpTotals,
    StateReset,
)
from twin.kernel.delayed_input import Pieces
from twin.kernel.kernel import Kernel
from twin.model.spec import Model, TargetSpec
from twin.observation.kinds import kind_of
from twin.observation.observation import Observation, in_turn
from twin.record.facts import ClinicalEvent
from twin.record.history import History
from twin.timeline.covariates import carry
from twin.timeline.delivery import Delivered, delivered
from twin.timeline.input_columns import Kick, entering, weights_of
from twin.timeline.observations import aggregates_of, in_order, observations_of
from twin.timeline.pumps.silence import RUNNING, Hypothesis
from twin.timeline.record_columns import with_record
from twin.timeline.record_order import in_record_order
from twin.timeline.restarts import SteadyDose, steady_doses
from twin.timeline.segments import UNDIVIDED, Segments, segments_of

NO_RESETS: NDArray[np.int64] = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Timeline:
    """A patient's history as the kernel reads it.

    Attributes:
        start: ms of the first fact that matters to the model, time 0 of its equations.
        change: (M,) ms at which a delivered rate changes, sorted.
        rates: (M + 1, I) input rates in model units per model time unit; row m holds before ``change[m]``. What enters
            by late columns is in ``late``.
        kick, kick_column, kick_amount: (Q,) impulses in time order: input column, or a reset (`Kernel` columns < 0).
        epoch: (E,) ms from which a row of ``covariates`` (E, C) holds, those of `Kernel.covariates`.
        heeded: (C,) which of those the equations read.
        backward: (C,) which of those hold until they are reported, that moment included.
        observations: in event-time order.
        delivered: per drug, step function of the rate in mg/h, and impulses (ms, mg).
        courses: per target, ms at which a course of its drug (or a day of one) began.
        resets: (R,) ms at which all states go back to their initial values.
        steady: by ms, sorted, the doses that the patient is in steady state of just before they are given.
        widening: (d,) variance that the prior of each eta has besides, for characteristics that were never reported.
        lacking: (W,) which of `Model.widening_names` it is made of.
        segments: stretches of constant random effects.
        latest: ms of the last fact, in the order of the record (`twin.timeline.record_order`).
    """

    start: int
    change: NDArray[np.int64]
    rates: NDArray[np.float64]
    kick: NDArray[np.int64]
    kick_column: NDArray[np.int64]
    kick_amount: NDArray[np.float64]
    epoch: NDArray[np.int64]
    covariates: NDArray[np.float64]
    heeded: NDArray[np.bool_]
    backward: NDArray[np.bool_]
    observations: tuple[Observation, ...]
    delivered: dict[str, Delivered]
    courses: tuple[tuple[int, ...], ...]
    widening: NDArray[np.float64]
    lacking: NDArray[np.bool_]
    late: Pieces
    resets: NDArray[np.int64]
    steady: Mapping[int, tuple[SteadyDose, ...]]
    segments: Segments = UNDIVIDED
    latest: int = 0

    @functools.cached_property
    def disturbed(self) -> NDArray[np.int64]:
        """Distinct ms at which a rate, covariate, impulse or reset makes the equations discontinuous, sorted."""
        return np.unique(np.concatenate([self.change, self.kick, self.epoch[self.stages], self.restarts]))

    @functools.cached_property
    def stages(self) -> NDArray[np.int64]:
        """Epochs (index) that begin with another value of what the equations read; the first is one."""
        rows = self.covariates[:, self.heeded]
        return np.flatnonzero(np.append(True, (rows[1:] != rows[:-1]).any(axis=1)))

    @functools.cached_property
    def turns(self) -> NDArray[np.int64]:
        """Distinct ms at which changes of rate are reasons to look at the patient, sorted: the first of a minute when
        it comes, all others of that minute together at its end."""
        minute = self.change // MINUTE_MS
        first = np.append(True, np.diff(minute) > 0)[: len(minute)]
        return np.unique(np.where(first, self.change, (minute + 1) * MINUTE_MS))

    def looks(self, first: int, last: int) -> set[int]:
        """The ms from ``first`` to ``last`` at which a change of rate or a measured value is a reason to look."""
        low, high = np.searchsorted(self.turns, first), np.searchsorted(self.turns, last, side="right")
        begin = bisect_left(self.observations, first, key=lambda observation: observation.millis)
        end = bisect_right(self.observations, last, key=lambda observation: observation.millis)
        return {*self.turns[low:high].tolist(), *(o.millis for o in self.observations[begin:end])}

    def summed_up(self, since: int) -> set[tuple[int, int]]:
        """Time (ms) and output of what sums up readings, from ``since`` (ms) on."""
        begin = bisect_left(self.observations, since, key=lambda observation: observation.millis)
        return {(o.millis, o.output) for o in self.observations[begin:] if o.readings is not None}

    @functools.cached_property
    def restarts(self) -> NDArray[np.int64]:
        """Distinct ms at which all states are set: to their initial values or to a steady state, sorted."""
        return np.union1d(self.resets, np.array(list(self.steady), dtype=np.int64))

    def covariates_at(self, millis: int) -> NDArray[np.float64]:
        """Covariates (C,) that hold from ``millis`` on."""
        return np.asarray(self.covariates[int(np.searchsorted(self.epoch, millis, side="right")) - 1])

    def covariates_of(self, millis: int) -> NDArray[np.float64]:
        """Covariates (C,) of the moment ``millis`` itself: what is carried backward is as it was reported then."""
        row = self.covariates_at(millis)
        return np.where(self.backward, self.covariates_at(millis - 1), row) if self.backward.any() else row

    def changes_between(self, start: int, end: int) -> NDArray[np.int64]:
        """Distinct times in (start, end) at which a rate, covariate or impulse makes the equations discontinuous."""
        low, high = np.searchsorted(self.disturbed, start, side="right"), np.searchsorted(self.disturbed, end)
        return self.disturbed[low:high]


def build(history: History, kernel: Kernel, assumed: Hypothesis = RUNNING, begun: int | None = None) -> Timeline | None:
    """The timeline of a history; ``None`` while it holds no fact that matters to the model.

    ``assumed`` is taken to be true of every pump that fell silent, and of the stretch that is in doubt. A record that
    has ``begun`` (ms) begins there also where nothing is taken to have been delivered yet.
    """
    facts = in_record_order(history)

    def of(*kinds: type[ClinicalEvent]) -> list[tuple[int, ClinicalEvent]]:
        # Years of doses are sorted out once, here: a membership costs a third of an isinstance.
        return [(millis, fact) for millis, fact, _ in facts if type(fact) in kinds]

    deliveries = of(PumpDelivery, PumpTotals, DoseGiven)
    samples = history.counted_samples()
    given = {drug: delivered(drug, deliveries, samples, assumed) for drug in kernel.model.drugs}
    measured = observations_of([each for each in facts if type(each[1]) in (DrugLevel, LabResult)], kernel.model)
    found = in_order(measured, aggregates_of(history, kernel.model))
    observations = in_turn(found, [output.error for output in kernel.model.outputs])
    carried = carry(of(Covariate, LabResult), kernel.model)
    resets = np.array(sorted({millis for millis, _ in of(StateReset)}), dtype=np.int64)
    starts = [step[0] for drug in given.values() for step in drug.rate]
    starts += [impulse[0] for drug in given.values() for impulse in drug.impulses]
    starts += [dose.millis for drug in given.values() for dose in drug.uncertain]
    starts += [o.moments[0] if o.moments else o.millis for o in observations]
    starts += [millis for millis, _ in of(FollowUpBegun)]
    starts += [] if begun is None else [begun]
    if not starts:
        return None
    start, wider = min(starts), (carried.widening, carried.lacking)
    latest = facts[-1][0] if facts else start
    return assemble(kernel, start, given, observations, carried.epoch, carried.values, wider, resets, latest=latest)


def assemble(
    kernel: Kernel,
    start: int,
    given: dict[str, Delivered],
    observations: tuple[Observation, ...],
    epoch: NDArray[np.int64],
    covariates: NDArray[np.float64],
    wider: tuple[NDArray[np.float64], NDArray[np.bool_]] | None = None,
    resets: NDArray[np.int64] = NO_RESETS,
    *,
    latest: int = 0,
    restarting: bool = True,
    weighed_by: NDArray[np.float64] | None = None,
) -> Timeline:
    """The timeline of what was given and observed, as the kernel of a model reads it (see `Timeline`).

    ``wider`` are its ``widening`` and ``lacking``, by default of a patient of whom everything was reported.
    ``covariates`` are the patient's, (E, C); columns for the functions of the record are laid beside them here. Without
    ``restarting``, doses in steady state only bring what is left of those before them. ``weighed_by`` (C,) stands in
    for the record's own covariates where doses are multiplied by what is known of them.
    """
    model, unit = kernel.model, UNIT_MS[kernel.model.time_unit]
    segments = segments_of(model, unit, start, given, epoch, covariates)
    measured = [(o.millis, o.output, o.value) for o in observations]
    epoch, covariates = with_record(kernel.record, kernel.outputs, unit, start, given, measured, epoch, covariates)
    steady = steady_doses(given)
    # A steady state stands for all that came before it, a reset at the same instant included.
    resets = np.setdiff1d(resets, np.array(list(steady), dtype=np.int64))
    weights = (
        weights_of(kernel, epoch, covariates) if weighed_by is None else weights_of(kernel, epoch[:1], weighed_by[None])
    )
    enters = entering(kernel, given, sorted({*resets.tolist(), *steady}) if restarting else [], weights)
    reported = np.zeros(len(model.eta_names)), np.zeros(len(model.widening_names), dtype=np.bool_)
    widening, lacking = reported if wider is None else wider
    courses = tuple(tuple(_gatherings(given.get(t.drug, Delivered()), t, unit)) for t in model.targets)
    kicks = sorted([*enters.kicks, *_emptied(kernel, courses, observations)])
    return Timeline(
        start=start,
        change=enters.change,
        rates=enters.rates,
        kick=np.array([millis for millis, _, _ in kicks], dtype=np.int64),
        kick_column=np.array([column for _, column, _ in kicks], dtype=np.int64),
        kick_amount=np.array([amount for _, _, amount in kicks], dtype=np.float64),
        epoch=epoch,
        covariates=covariates,
        heeded=kernel.heeded,
        backward=_carried_backward(model, covariates.shape[1]),
        observations=observations,
        delivered=given,
        courses=courses,
        widening=widening,
        lacking=lacking,
        late=enters.late,
        resets=resets,
        steady=steady if restarting else {},
        segments=segments,
        latest=latest,
    )


def _carried_backward(model: Model, columns: int) -> NDArray[np.bool_]:
    """(C,) of the covariates and what is laid beside them."""
    found = np.zeros(columns, dtype=bool)
    found[: len(model.covariates)] = [covariate.carry == "backward" for covariate in model.covariates]
    return found


def _gatherings(given: Delivered, target: TargetSpec, unit: int) -> list[int]:
    """When what a target measures begins to gather anew: with each course, or each day of one."""
    gap = round(target.course_gap * unit)
    return given.days(gap) if target.measure == "day" else given.starts(gap)


def _emptied(
    kernel: Kernel, courses: tuple[tuple[int, ...], ...], observations: tuple[Observation, ...]
) -> Iterator[Kick]:
    """Resets of states that gather: over a course (a target's), or from look to look (an output's own)."""
    states = [*kernel.linear, *kernel.stepped]
    for target, begun in zip(kernel.model.targets, courses, strict=True):
        if target.state is not None:
            column = -1 - states.index(target.state)
            yield from ((millis, column, 0.0) for millis in begun)
    for observation in observations:
        output = kernel.model.outputs[observation.output]
        own_state = kind_of(output).own_state(output)
        if own_state is not None:
            yield observation.millis, -1 - states.index(own_state), 0.0
