"""What an arm with rules gives: doses as planned, made smaller or later by what was measured of the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from connectors.feeds.ward.patients import WardPatient
from streams.batch.trial.doses.record import Said
from streams.batch.trial.doses.schedule import BEFORE_MS, Order
from streams.batch.trial.patients import COURSE_MS
from twin.clock import DAY_MS
from twin.events import LabResult, to_millis
from twin.virtual.dose_rules import DoseRule


@dataclass(frozen=True)
class Treatment:
    """What was planned for a patient, what was given, and ms at which each course began."""

    planned: tuple[Order, ...]
    orders: tuple[Order, ...]
    begun: tuple[int, ...]


def planned_courses(orders: Sequence[Order], drug: str) -> tuple[int, ...]:
    """ms at which each course of a drug begins: a dose more than `COURSE_MS` after the one before."""
    found: list[int] = []
    last = None
    for order in orders:
        if order.drug != drug:
            continue
        if last is None or order.step.start_ms - last > COURSE_MS:
            found.append(order.step.start_ms)
        last = order.step.start_ms
    return tuple(found)


def treated_by_rules(rules: Sequence[DoseRule], patient: WardPatient, planned: Sequence[Order]) -> Treatment:
    """The doses of an arm: all as planned, but for its rules.

    Doses of other drugs move with the course in which they are planned; only those of the drug under study are scaled.
    """
    begins = planned_courses(planned, patient.model.drug)
    if not rules:
        return Treatment(tuple(planned), tuple(planned), begins)
    drawn = [(one.time, one.output) for one in patient.specimens]
    known = [one.reported for one in patient.specimens]
    said = Said(patient, [], drawn)
    begun: list[int] = []
    factor, shift = 1.0, 0
    for k, begin in enumerate(begins):
        if k:
            shift = _delayed(rules, said, known, begun[-1], begin + shift) - begin
            factor *= _scaled(rules, said, known, begun[-1], begin + shift)
        begun.append(begin + shift)
        until = begins[k + 1] if k + 1 < len(begins) else None
        for order in planned:
            if (order.step.start_ms >= begin or k == 0) and (until is None or order.step.start_ms < until):
                said.given.append(_moved(order, shift, factor if order.drug == patient.model.drug else 1.0))
    return Treatment(tuple(planned), tuple(said.given), tuple(begun))


def _delayed(rules: Sequence[DoseRule], said: Said, known: Sequence[int], since: int, begin: int) -> int:
    """When a course begins that should at ``begin``."""
    for rule in rules:
        if rule.delay is None:
            continue
        for _ in range(rule.most):
            values = _measured(rule.output, said, known, since, begin - BEFORE_MS)
            if not values or not rule.applies(values):
                break
            begin += round(rule.delay * DAY_MS)
    return begin


def _scaled(rules: Sequence[DoseRule], said: Said, known: Sequence[int], since: int, begin: int) -> float:
    """What later doses are multiplied by."""
    factor = 1.0
    for rule in rules:
        if rule.scale is not None:
            values = _measured(rule.output, said, known, since, begin - BEFORE_MS)
            factor *= rule.scale if values and rule.applies(values) else 1.0
    return factor


def _measured(output: str, said: Said, known: Sequence[int], since: int, now: int) -> list[float]:
    """Values of an output that were drawn from ``since`` on (ms) and are known at ``now``, the newest last."""
    results = said.results(now, known, said.patient.model)
    return [
        one.value.value
        for one in results
        if isinstance(one, LabResult) and one.analyte == output and to_millis(one.time) >= since
    ]


def _moved(order: Order, shift: int, factor: float) -> Order:
    step = order.step
    moved = replace(step, start_ms=step.start_ms + shift, end_ms=step.end_ms + shift, amount=step.amount * factor)
    return replace(order, step=moved)
