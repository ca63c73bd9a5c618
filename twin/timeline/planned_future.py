"""What will be delivered: running infusions finish, and planned doses are given as planned."""

from __future__ import annotations

from collections.abc import Mapping

from twin.clock import HOUR_MS, MINUTE_MS
from twin.kernel.kernel import Kernel
from twin.record.history import HOLD_MS
from twin.record.orders import PlanStep
from twin.timeline.delivery import Delivered, Recorded, with_rates
from twin.timeline.timeline import Timeline, assemble

SAME_ORDER_MS = 6 * HOUR_MS
"""Planned doses of a drug that follow one another within this belong to one order (a bolus and its infusion)."""

NEARLY_IN = 0.98
"""Fraction of a planned dose after which a running pump is taken to deliver the next dose of its order."""


def extended(
    timeline: Timeline, kernel: Kernel, now: int, planned: Mapping[str, tuple[PlanStep, ...]]
) -> tuple[Timeline, int | None]:
    """The timeline as it will be if running infusions finish and planned doses after ``now`` are given as planned.

    A pump goes on at its present rate until the planned amount of the dose it is at is in, and the rest of that order
    follows; without a plan it is believed for `HOLD_MS`. A dose recorded with its duration ends as recorded. Returns
    the timeline and the ms at which what runs now will end, with the rest of its order (``None``: nothing runs).
    """
    ahead: dict[str, Delivered] = {}
    end: int | None = None
    for drug, source in timeline.delivered.items():
        ahead[drug], finish = _continued(source, now, planned.get(drug, ()))
        if finish is not None:
            end = finish if end is None else max(end, finish)
    return with_delivered(timeline, kernel, now, ahead), end


def with_delivered(timeline: Timeline, kernel: Kernel, now: int, ahead: dict[str, Delivered]) -> Timeline:
    """The timeline as known at ``now`` (ms), with what is and will be delivered of each drug."""
    # A characteristic that is to change is not foreseen.
    known = timeline.epoch <= now
    reported = timeline.covariates[known][:, : len(kernel.model.covariates)]
    seen = tuple(o for o in timeline.observations if o.millis <= now)
    resets = timeline.resets[timeline.resets <= now]
    wider = timeline.widening, timeline.lacking
    return assemble(kernel, timeline.start, ahead, seen, timeline.epoch[known], reported, wider, resets)


def _continued(source: Delivered, now: int, plan: tuple[PlanStep, ...]) -> tuple[Delivered, int | None]:
    ahead = Delivered(
        impulses=[impulse for impulse in source.impulses if impulse[0] <= now],
        pulses=[millis for millis in source.pulses if millis <= now],
        pumped=[step for step in source.pumped if step[0] <= now],
        recorded=[dose for dose in source.recorded if dose.start <= now],
        steady=[dose for dose in source.steady if dose.millis <= now],
    )
    ends = [dose.end for dose in ahead.recorded if dose.end > now]
    rest: tuple[PlanStep, ...] = ()
    if ahead.pumped and ahead.pumped[-1][1] > 0:
        stop, rest = _finish(source, now, ahead.pumped[-1][1], plan)
        ahead.pumped.append((stop, 0.0))
        ends.append(stop)
        for dose in rest:
            ends.append(_give(ahead, dose, max(dose.start_ms, ends[-1])))
    finish = running = max(ends, default=None)
    for dose in plan:
        if dose.start_ms <= now or dose in rest:
            continue
        if running is not None and finish is not None:
            if dose.start_ms < running - MINUTE_MS:
                continue  # What runs is this dose, begun before its time.
            if dose.start_ms <= finish + SAME_ORDER_MS:
                finish = max(finish, dose.end_ms)
        _give(ahead, dose, dose.start_ms)
    return with_rates(ahead), finish


def _give(ahead: Delivered, dose: PlanStep, begin: int) -> int:
    """Let a planned dose begin at ``begin``; when it ends."""
    span = dose.end_ms - dose.start_ms
    ahead.pulses.append(begin)
    if span > 0:
        ahead.recorded.append(Recorded(begin, begin + span, dose.amount / (span / HOUR_MS), dose.route))
    else:
        ahead.impulses.append((begin, dose.amount, dose.route))
    return begin + span


def _finish(source: Delivered, now: int, rate: float, plan: tuple[PlanStep, ...]) -> tuple[int, tuple[PlanStep, ...]]:
    """When a pump at ``rate`` ends the dose it is at, and the doses of its order that should have begun by then."""
    begun = sum(dose.start_ms - HOUR_MS <= now for dose in plan)
    if not begun:
        return now + HOLD_MS, ()
    first = begun - 1
    while first > 0 and plan[first].start_ms - plan[first - 1].end_ms <= SAME_ORDER_MS:
        first -= 1
    given = source.amount(plan[first].start_ms - HOUR_MS, now)
    at, total = first, plan[first].amount
    while at + 1 < begun and given >= NEARLY_IN * total:
        at += 1
        total += plan[at].amount
    left = min(round((total - given) / rate * HOUR_MS), HOLD_MS)
    return now + max(MINUTE_MS, left), plan[at + 1 : begun]
