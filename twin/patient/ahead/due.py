"""What is to be given next, by the plan as it stands."""

from __future__ import annotations

from twin.clock import HOUR_MS
from twin.events import DueDose, Quantity, from_millis
from twin.record.orders import Orders
from twin.units import AMOUNT_UNIT


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
