"""What is planned for a virtual patient, when doses are decided on, and when blood is drawn: alike in every arm."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from connectors.feeds.analytes import drug_of
from connectors.feeds.ward.patients import Specimen, WardPatient
from streams.batch.trial.patients import DELAYED, TrialPlan, delayed
from twin.clock import HOUR_MS, MINUTE_MS
from twin.dosing.decision import TOGETHER_MS
from twin.dosing.protocol import Protocol
from twin.record.orders import PlanStep

LEVEL_HOURS = (2.0, 5.0)
"""Hours from the drawing of a level that the protocol asks for to its result (assumed: a laboratory that knows that a
dose waits for it)."""

BEFORE_MS = 10 * MINUTE_MS
"""How long before the dose it is decided on (assumed)."""

LEVELS = 21
"""Purpose of the random numbers that say which levels are drawn, and when they are told."""


@dataclass(frozen=True)
class Order:
    """A planned dose of a drug."""

    drug: str
    step: PlanStep


@dataclass(frozen=True)
class Schedule:
    """A patient's treatment as planned.

    Attributes:
        orders: all planned doses, in order of time.
        courses: ms at which each course of the drug begins, and at last the ms at which the watch ends.
        decided: ms at which doses are decided on.
        specimens: in order of time.
    """

    orders: tuple[Order, ...]
    courses: tuple[int, ...]
    decided: tuple[int, ...]
    specimens: tuple[Specimen, ...]

    def of(self, drug: str) -> list[Order]:
        """The planned doses of a drug."""
        return [order for order in self.orders if order.drug == drug]


def planned_orders(patient: WardPatient) -> tuple[Order, ...]:
    """All doses that were ordered for a patient, in order of time."""
    found = [
        Order(drug, PlanStep(dose.time, dose.time + round(dose.hours * HOUR_MS), dose.amount, route))
        for drug, (route, doses) in patient.orders.items()
        for dose in doses
    ]
    return tuple(sorted(found, key=lambda order: (order.step.start_ms, order.step.end_ms, order.drug)))


def schedule(patient: WardPatient, protocol: Protocol, gap: int, end: int, plan: TrialPlan) -> Schedule:
    """The schedule of a patient who is watched until ``end`` (ms).

    Args:
        gap: ms without the drug that end a course.
        plan: of which the shares of levels that are never drawn, and that come late, are heeded.

    Raises:
        ValueError: nothing of the protocol's drug is planned in that time.
    """
    orders = planned_orders(patient)
    starts = [order.step for order in orders if order.drug == protocol.drug]
    begun: list[int] = []
    decided: list[int] = []
    until = None
    for step in starts:
        if until is None or step.start_ms - until >= gap:
            begun.append(step.start_ms)
        if not decided or step.start_ms - (decided[-1] + BEFORE_MS) > TOGETHER_MS:
            decided.append(step.start_ms - BEFORE_MS)
        until = max(until or 0, step.end_ms)
    # A course that the watch does not see to its end is no course of the trial.
    whole = [at for at in begun if at <= end]
    over = len(begun) == len(whole) and starts[-1].start_ms < end
    courses = (*whole[:-1], *((whole[-1], end) if over else whole[-1:]))
    if len(courses) < 2:
        raise ValueError(f"no course of {protocol.drug} is planned and over in the days of the watch; try more --days")
    first = tuple(at for at in decided if at < courses[-1] - BEFORE_MS)
    return Schedule(orders, courses, first, _specimens(patient, protocol, courses, plan))


def _specimens(
    patient: WardPatient, protocol: Protocol, courses: tuple[int, ...], plan: TrialPlan
) -> tuple[Specimen, ...]:
    model = patient.model
    levels = {output.name for output in model.outputs if drug_of(output, model) == protocol.drug}
    drawn = [replace(one, corrected=None) for one in patient.specimens]
    if protocol.samples and levels:
        rng = np.random.default_rng([patient.seed, patient.index, LEVELS])
        delays = np.random.default_rng([patient.seed, patient.index, DELAYED, LEVELS])
        output = next(output.name for output in model.outputs if output.name in levels)
        drawn = [one for one in drawn if one.output not in levels]
        for begun in courses[:-1]:
            for after in protocol.samples:
                taken, hours = rng.random() >= plan.missing, float(rng.uniform(*LEVEL_HOURS))
                at = begun + after
                level = delayed(Specimen(at, output, at + round(hours * HOUR_MS), None), plan.late_levels, delays)
                if taken:
                    drawn.append(level)
    return tuple(sorted(drawn, key=lambda one: (one.time, one.output)))
