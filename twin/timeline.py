"""From facts to what the equations need: delivered rates, impulses, covariates as they stood, observations.

Delivered, not ordered: the input is what the pumps said they delivered. A channel's rate holds from one word to its
next; between two readings of its cumulative counter the rates are scaled so that they integrate to what the counter
says; a channel that stays silent is believed for `HOLD_MS` and no longer.

Everything here is a pure function of the history (and, for a forecast, of the plan beyond ``now``).
"""

from __future__ import annotations

import ast
from bisect import bisect_right
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from twin.events import (
    Covariate,
    DoseGiven,
    DrugLevel,
    LabResult,
    PlannedDose,
    PumpDelivery,
    PumpTotals,
    to_millis,
)
from twin.history import ClinicalEvent, History, SampleLine
from twin.kernel import Kernel
from twin.models import Model

HOUR_MS = 3_600_000
UNIT_MS = {"h": HOUR_MS, "d": 24 * HOUR_MS}
"""Milliseconds in a model's unit of time."""

HOLD_MS = 72 * HOUR_MS
"""Longest silence over which a pump channel's last rate is still believed (longer than any planned chemotherapy
infusion of one bag, so that a pump that only says START and STOP is read rightly)."""

SAME_ORDER_MS = 6 * HOUR_MS
"""Planned doses of a drug that follow one another within this belong to one order (a bolus and its infusion)."""

COUNTER_TOLERANCE = 0.01
"""Counters and reported rates that agree within this fraction need no correction (pump accuracy is a few percent)."""

ZERO_COUNT_BELOW = 0.1
"""A count reported as 0 is read as below this (10*9/L; the usual last digit of a differential count; assumed)."""

Steps = list[tuple[int, float]]
"""A step function of time: (from ms, value), sorted; zero before the first."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A measured model output, in the output's unit; ``below`` is the limit of a value known only to lie under it."""

    millis: int
    event_id: str
    output: int
    value: float
    below: float | None = None


@dataclass(frozen=True)
class Timeline:
    """A patient's history as the kernel reads it.

    Attributes:
        start: ms of the first fact that matters to the model.
        change: (M,) ms at which a delivered rate changes, sorted.
        rates: (M + 1, I) input rates in model units per model time unit; row m holds before ``change[m]``.
        kick, kick_column, kick_amount: (Q,) impulses in time order: input column, or a reset (`Kernel` columns < 0).
        epoch: (E,) ms from which a row of ``covariates`` (E, C) holds.
        observations: in event-time order.
        delivered: per drug, step function of the rate in mg/h, and impulses (ms, mg).
        courses: per target, ms at which a course of its drug began.
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

    def changes_between(self, start: int, end: int) -> NDArray[np.int64]:
        """Distinct times in (start, end) at which a rate, covariate or impulse makes the equations discontinuous."""
        every = np.concatenate([self.change, self.kick, self.epoch])
        return np.unique(every[(every > start) & (every < end)])


@dataclass(slots=True)
class Delivered:
    """One drug as delivered: rate steps (mg/h) and impulses (ms, mg, route), plus pulses (ms) of recorded doses."""

    rate: Steps = field(default_factory=list)
    impulses: list[tuple[int, float, str]] = field(default_factory=list)
    rate_by_route: dict[str, Steps] = field(default_factory=dict)
    pulses: list[int] = field(default_factory=list)

    def rate_at(self, millis: int) -> float:
        """Rate from ``millis`` on, mg/h."""
        at = bisect_right(self.rate, millis, key=lambda step: step[0]) - 1
        return self.rate[at][1] if at >= 0 else 0.0

    def amount(self, start: int, end: int) -> float:
        """Amount delivered in [start, end), mg."""
        total = sum(amount for millis, amount, _ in self.impulses if start <= millis < end)
        for i, (since, rate) in enumerate(self.rate):
            until = self.rate[i + 1][0] if i + 1 < len(self.rate) else end
            total += rate * max(0, min(until, end) - max(since, start)) / HOUR_MS
        return total

    def starts(self, gap_ms: int) -> list[int]:
        """Times at which delivery begins after at least ``gap_ms`` without any: the starts of courses."""
        spans = [(millis, millis) for millis, _, _ in self.impulses]
        for i, (since, rate) in enumerate(self.rate):
            if rate > 0:
                spans.append((since, self.rate[i + 1][0] if i + 1 < len(self.rate) else since + HOLD_MS))
        found: list[int] = []
        until: int | None = None
        for since, end in sorted(spans):
            if until is None or since - until >= gap_ms:
                found.append(since)
            until = end if until is None else max(until, end)
        return found


def build(history: History, kernel: Kernel) -> Timeline | None:
    """The timeline of a history; ``None`` while it holds no fact that matters to the model."""
    facts = list(history.effective())
    delivered = {drug: _delivered(drug, facts, history.samples) for drug in kernel.model.drugs}
    observations = _observations(facts, kernel.model)
    epoch, covariates = _covariates(facts, kernel.model)
    starts = [step[0] for drug in delivered.values() for step in drug.rate]
    starts += [impulse[0] for drug in delivered.values() for impulse in drug.impulses]
    starts += [observation.millis for observation in observations]
    if not starts:
        return None
    return assemble(kernel, min(starts), delivered, observations, epoch, covariates)


def assemble(
    kernel: Kernel,
    start: int,
    delivered: dict[str, Delivered],
    observations: tuple[Observation, ...],
    epoch: NDArray[np.int64],
    covariates: NDArray[np.float64],
) -> Timeline:
    """Lay deliveries out as the kernel's input columns (see `Timeline`)."""
    model = kernel.model
    columns = [_column(call, kernel.inputs) for call in kernel.inputs]
    per_hour = UNIT_MS[model.time_unit] / HOUR_MS
    steps: list[Steps] = []
    kicks: list[tuple[int, int, float]] = []
    for j, (function, drug, routes) in enumerate(columns):
        source = delivered.get(drug, Delivered())
        scale = model.input_scale.get(drug, 1.0)
        if function == "pulse":
            steps.append([])
            kicks += [(millis, j, 1.0) for millis in source.pulses]
            continue
        of_routes = [step for route, step in sorted(source.rate_by_route.items()) if routes is None or route in routes]
        steps.append([(millis, rate * scale * per_hour) for millis, rate in sum_of_steps(of_routes)])
        kicks += [(m, j, a * scale) for m, a, route in source.impulses if routes is None or route in routes]
    courses = tuple(
        tuple(delivered.get(t.drug, Delivered()).starts(round(t.course_gap * UNIT_MS[model.time_unit])))
        for t in model.targets
    )
    states = [*kernel.linear, *kernel.stepped]
    for target, begun in zip(model.targets, courses, strict=True):
        kicks += [(millis, -1 - states.index(target.state), 0.0) for millis in begun]
    kicks.sort()
    change = np.unique(np.array([millis for column in steps for millis, _ in column], dtype=np.int64))
    rates = np.zeros((len(change) + 1, len(columns)))
    for j, column in enumerate(steps):
        if column:
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
        delivered,
        courses,
    )


def extended(
    timeline: Timeline, kernel: Kernel, now: int, planned: dict[str, tuple[PlannedDose, ...]]
) -> tuple[Timeline, int | None]:
    """The timeline as it will be if running infusions finish and planned doses after ``now`` are given as planned.

    A running infusion goes on at its present rate until the planned amount of its dose is in; without a plan, for
    `HOLD_MS`. Returns the timeline and the ms at which the infusion running now will end (``None`` when
    nothing runs).
    """
    ahead: dict[str, Delivered] = {}
    end: int | None = None
    for drug, source in timeline.delivered.items():
        doses = planned.get(drug, ())
        ahead[drug], finish = _continued(source, now, doses)
        if finish is not None:
            end = finish if end is None else max(end, finish)
    return assemble(kernel, timeline.start, ahead, (), timeline.epoch, timeline.covariates), end


def _continued(source: Delivered, now: int, doses: tuple[PlannedDose, ...]) -> tuple[Delivered, int | None]:
    rate = source.rate_at(now)
    kept = [step for step in source.rate if step[0] <= now]
    ahead = Delivered(list(kept), [i for i in source.impulses if i[0] <= now], {}, [p for p in source.pulses if p <= now])
    finish: int | None = None
    if rate > 0:
        finish = now + _remaining_ms(source, now, rate, doses)
        ahead.rate.append((finish, 0.0))
    running = finish
    for dose in doses:
        begin = to_millis(dose.time)
        if begin <= now or (running is not None and begin < running - HOUR_MS // 60):
            continue
        if finish is not None and begin <= finish + SAME_ORDER_MS:
            finish = max(finish, _planned_end(dose))
        ahead.pulses.append(begin)
        hours = dose.duration.value if dose.duration is not None else 0.0
        if hours > 0:
            ahead.rate = sum_of_steps(
                [ahead.rate, [(begin, dose.amount.value / hours), (begin + round(hours * HOUR_MS), 0.0)]]
            )
        else:
            ahead.impulses.append((begin, dose.amount.value, "iv"))
    ahead.rate_by_route = {"iv": ahead.rate}
    return ahead, finish


def _remaining_ms(source: Delivered, now: int, rate: float, doses: tuple[PlannedDose, ...]) -> int:
    """How long a running infusion still runs: until the planned amount of the dose it belongs to is in."""
    begun = [dose for dose in doses if to_millis(dose.time) - HOUR_MS <= now]
    if not begun:
        return HOLD_MS
    # Doses planned back to back (a bolus and its infusion) form one order: what counts is the order's total.
    order = [begun[-1]]
    for dose in reversed(begun[:-1]):
        if to_millis(order[-1].time) - _planned_end(dose) > SAME_ORDER_MS:
            break
        order.append(dose)
    total = sum(dose.amount.value for dose in order)
    given = source.amount(to_millis(order[-1].time) - HOUR_MS, now)
    return max(HOUR_MS // 60, min(round((total - given) / rate * HOUR_MS), HOLD_MS))


def _planned_end(dose: PlannedDose) -> int:
    return to_millis(dose.time) + (round(dose.duration.value * HOUR_MS) if dose.duration is not None else 0)


def first_difference(old: Timeline, new: Timeline) -> int | None:
    """Earliest time (ms) from which two timelines of one patient differ; ``None`` when they say the same."""
    if old.start != new.start or not np.array_equal(old.covariates[0], new.covariates[0]):
        return min(old.start, new.start)
    found = [
        _first_unequal(_rows(old.change, old.rates[1:]), _rows(new.change, new.rates[1:])),
        _first_unequal(
            _rows(old.kick, np.column_stack([old.kick_column, old.kick_amount])),
            _rows(new.kick, np.column_stack([new.kick_column, new.kick_amount])),
        ),
        _first_unequal(_rows(old.epoch, old.covariates), _rows(new.epoch, new.covariates)),
        _first_unequal([(o.millis, o) for o in old.observations], [(o.millis, o) for o in new.observations]),
    ]
    return min((millis for millis in found if millis is not None), default=None)


def _rows(times: NDArray[np.int64], values: NDArray[np.float64]) -> list[tuple[int, object]]:
    return list(zip(times.tolist(), values.tolist(), strict=True))


def _first_unequal(old: list[tuple[int, object]], new: list[tuple[int, object]]) -> int | None:
    for left, right in zip(old, new, strict=False):
        if left != right:
            return min(left[0], right[0])
    longer = old if len(old) > len(new) else new
    shorter = min(len(old), len(new))
    return longer[shorter][0] if len(longer) > shorter else None


def sum_of_steps(sources: list[Steps]) -> Steps:
    """Sum of step functions, as a step function without repeated values.

    >>> sum_of_steps([[(0, 1.0), (10, 0.0)], [(5, 2.0)]])
    [(0, 1.0), (5, 3.0), (10, 2.0)]
    """
    if not sources:
        return []
    times = np.unique(np.array([millis for source in sources for millis, _ in source], dtype=np.int64))
    total = np.zeros(len(times))
    for source in sources:
        if source:
            at = np.searchsorted(np.array([millis for millis, _ in source]), times, side="right")
            total += np.concatenate([[0.0], [value for _, value in source]])[at]
    steps: Steps = []
    for millis, value in zip(times.tolist(), total.tolist(), strict=True):
        if value != (steps[-1][1] if steps else 0.0):
            steps.append((millis, value))
    return steps


def _delivered(
    drug: str, facts: list[tuple[int, ClinicalEvent]], samples: dict[tuple[str, str], SampleLine]
) -> Delivered:
    found = Delivered()
    channels: dict[str, Steps] = {}
    counters: dict[str, Steps] = {}
    by_route: dict[str, list[Steps]] = {}
    for millis, fact in facts:
        if isinstance(fact, PumpDelivery) and fact.drug == drug:
            running = fact.phase == "start" or fact.delivery_status == "kvo"
            delivering = fact.delivery_status != "not-delivering"
            channels.setdefault(fact.device_id, []).append((millis, fact.rate.value if running and delivering else 0.0))
        elif isinstance(fact, PumpTotals) and fact.drug == drug:
            counters.setdefault(fact.device_id, []).append((millis, fact.delivered.value))
        elif isinstance(fact, DoseGiven) and fact.drug == drug:
            found.pulses.append(millis)
            if fact.duration is None:
                found.impulses.append((millis, fact.amount.value, fact.route))
            else:
                span = round(fact.duration.value * HOUR_MS)
                rate = fact.amount.value / fact.duration.value
                by_route.setdefault(fact.route, []).append([(millis, rate), (millis + span, 0.0)])
    for (device, of_drug), line in samples.items():
        if of_drug == drug:
            channels.setdefault(device, [])
            # Words at one instant: a start or stop outranks the periodic sample.
            spoken = {millis for millis, _ in channels[device]}
            told = [(m, r) for m, r in zip(line.times, line.rates, strict=True) if m not in spoken]
            channels[device] = sorted([*channels[device], *told], key=lambda step: step[0])
    for device in sorted(channels):
        spoken_steps = _held(_last_of_instant(channels[device]))
        by_route.setdefault("iv", []).append(_counted(spoken_steps, counters.get(device, [])))
    found.rate_by_route = {route: sum_of_steps(by_route[route]) for route in sorted(by_route)}
    found.rate = sum_of_steps(list(found.rate_by_route.values()))
    return found


def _last_of_instant(words: Steps) -> Steps:
    return [w for i, w in enumerate(words) if i + 1 == len(words) or words[i + 1][0] != w[0]]


def _held(words: Steps) -> Steps:
    """A channel's words as a step function that falls to zero `HOLD_MS` after a word that nothing followed."""
    steps: Steps = []
    for i, (millis, rate) in enumerate(words):
        if not steps or steps[-1][1] != rate:
            steps.append((millis, rate))
        following = words[i + 1][0] if i + 1 < len(words) else None
        if rate > 0 and (following is None or following - millis > HOLD_MS):
            steps.append((millis + HOLD_MS, 0.0))
    return steps


def _counted(steps: Steps, counter: Steps) -> Steps:
    """Scale a channel's rates between counter readings to what the counter says was delivered."""
    line = Delivered(rate=steps)
    for (since, before), (until, after) in zip(counter, counter[1:], strict=False):
        if after < before or until <= since:
            continue  # The counter was cleared in between: it says nothing about this stretch.
        said, counted = line.amount(since, until), after - before
        if abs(counted - said) <= COUNTER_TOLERANCE * max(counted, said):
            continue
        inside = [(m, r) for m, r in line.rate if since <= m < until]
        inside = [(since, line.rate_at(since)), *[step for step in inside if step[0] != since]]
        if said > 0:
            scaled = [(m, r * counted / said) for m, r in inside]
        else:
            scaled = [(since, counted / ((until - since) / HOUR_MS))]
        resumed = (until, line.rate_at(until))
        outside_after = [step for step in line.rate if step[0] > until]
        line = replace(line, rate=[*[s for s in line.rate if s[0] < since], *scaled, resumed, *outside_after])
    return line.rate


def _observations(facts: list[tuple[int, ClinicalEvent]], model: Model) -> tuple[Observation, ...]:
    found: list[Observation] = []
    for millis, fact in facts:
        if isinstance(fact, DrugLevel | LabResult):
            output = output_index(model, fact.analyte)
            if output is not None:
                below = _limit(fact)
                found.append(Observation(millis, fact.event_id, output, fact.value.value, below))
    return tuple(found)


def _limit(fact: DrugLevel | LabResult) -> float | None:
    """The limit under which a value is only known to lie, if it is."""
    if isinstance(fact, DrugLevel) and fact.below_lloq:
        return fact.lloq.value if fact.lloq is not None else fact.value.value
    if isinstance(fact, LabResult) and fact.value.value == 0.0:
        return ZERO_COUNT_BELOW
    return None


def output_index(model: Model, analyte: str) -> int | None:
    """Which model output a measured analyte is, by its name or one of its aliases; ``None`` when the model has none."""
    for i, output in enumerate(model.outputs):
        if analyte == output.name or analyte in output.aliases:
            return i
    return None


def _covariates(
    facts: list[tuple[int, ClinicalEvent]], model: Model
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Covariates as step functions: last value carried forward, the first one also backward, else the reference."""
    names = [c.name for c in model.covariates]
    told = [
        (millis, names.index(name), fact.value.value)
        for millis, fact in facts
        if isinstance(fact, Covariate | LabResult)
        and (name := fact.name if isinstance(fact, Covariate) else fact.analyte) in names
    ]
    row = [c.reference for c in model.covariates]
    seen: set[int] = set()
    for _, column, value in told:
        if column not in seen:
            row[column] = value
            seen.add(column)
    epochs, rows = [np.iinfo(np.int64).min], [tuple(row)]
    for millis, column, value in told:
        if row[column] != value:
            row[column] = value
            if epochs[-1] == millis:
                rows[-1] = tuple(row)
            else:
                epochs.append(millis)
                rows.append(tuple(row))
    return np.array(epochs, dtype=np.int64), np.array(rows, dtype=np.float64).reshape(len(rows), len(names))


def _column(call: str, every: tuple[str, ...]) -> tuple[str, str, frozenset[str] | None]:
    """An input call as (function, drug, routes); ``None`` routes means all that no other column claims."""
    node = ast.parse(call, mode="eval").body
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    names = [argument.id for argument in node.args if isinstance(argument, ast.Name)]
    if len(names) > 1:
        return node.func.id, names[0], frozenset(names[1:])
    claimed = {name.split(",")[1].strip(" )") for name in every if name.startswith(f"{node.func.id}({names[0]},")}
    routes = frozenset({"iv", "oral", "sc", "im", "ip"} - claimed) if claimed else None
    return node.func.id, names[0], routes
