"""What is to be given next, and what should have been by now, by the plan as it stands."""

from __future__ import annotations

from twin.clock import HOUR_MS
from twin.events import DueDose, PlannedByNow, Quantity, from_millis
from twin.record.orders import Orders, PlanStep
from twin.units import AMOUNT_UNIT, RATE_UNIT


def due_of(orders: Orders, millis: int) -> dict[str, DueDose]:
    """By drug, the planned dose that begins first after ``millis``, in mg; drugs of which none is left are missing."""
    found = {}
    for drug, steps in sorted(orders.plan(millis).items()):
        step = next((step for step in steps if step.start_ms > millis), None)
        if step is not None:
            hours = (step.end_ms - step.start_ms) / HOUR_MS
            found[drug] = DueDose(
                time=from_millis(step.start_ms),
                amount=Quantity(value=step.amount, unit=AMOUNT_UNIT),
                duration=Quantity(value=hours, unit="h") if hours else None,
            )
    return found


def planned_of(orders: Orders, start: int, millis: int) -> dict[str, PlannedByNow]:
    """By drug, the planned rate at ``millis`` (mg/h) and the planned amount in [start, millis), in mg."""
    return {
        drug: PlannedByNow(
            rate=Quantity(value=sum(_rate(step, millis) for step in steps), unit=RATE_UNIT),
            amount=Quantity(value=sum(_amount(step, start, millis) for step in steps), unit=AMOUNT_UNIT),
        )
        for drug, steps in sorted(orders.plan(millis).items())
    }


def _rate(step: PlanStep, millis: int) -> float:
    return step.amount / ((step.end_ms - step.start_ms) / HOUR_MS) if step.start_ms <= millis < step.end_ms else 0.0


def _amount(step: PlanStep, start: int, millis: int) -> float:
    """Of a step the part in [start, millis); what is given at once is given whole."""
    if step.end_ms == step.start_ms:
        return step.amount if start <= step.start_ms < millis else 0.0
    part = min(step.end_ms, millis) - max(step.start_ms, start)
    return step.amount * max(part, 0) / (step.end_ms - step.start_ms)
