"""What will be delivered: running infusions finish, and planned doses are given as planned."""

from __future__ import annotations

from twin.delivered import HOUR_MS, Delivered, sum_of_steps
from twin.events import PlannedDose, to_millis
from twin.history import HOLD_MS
from twin.kernel import Kernel
from twin.timeline import Timeline, assemble

SAME_ORDER_MS = 6 * HOUR_MS
"""Planned doses of a drug that follow one another within this belong to one order (a bolus and its infusion)."""


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
    # A characteristic that is to change is not foreseen.
    known = timeline.epoch <= now
    return assemble(kernel, timeline.start, ahead, (), timeline.epoch[known], timeline.covariates[known]), end


def _continued(source: Delivered, now: int, doses: tuple[PlannedDose, ...]) -> tuple[Delivered, int | None]:
    rate = source.rate_at(now)
    kept = [step for step in source.rate if step[0] <= now]
    ahead = Delivered(
        list(kept), [i for i in source.impulses if i[0] <= now], {}, [p for p in source.pulses if p <= now]
    )
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
