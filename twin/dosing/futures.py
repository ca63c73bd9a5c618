"""What is to come of each drug, and how a change of it makes another future.

A future is a timeline: what was delivered up to now, then what is to come. What runs now is a dose to come too, with
what is left of it. Drugs that nothing is changed of are delivered just as the twin itself foresees them
(`twin.timeline.planned_future`), to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from twin.clock import HOUR_MS
from twin.patient.accounts.component import Component
from twin.record.orders import Plan, PlanStep
from twin.timeline.delivery import Delivered, Recorded, with_rates
from twin.timeline.planned_future import extended, with_delivered
from twin.timeline.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A dose to come, or what is left of one that runs now."""

    step: PlanStep
    running: bool = False

    @property
    def rate(self) -> float | None:
        """mg/h; ``None`` of a dose given at once."""
        span = self.step.end_ms - self.step.start_ms
        return None if span <= 0 else self.step.amount / (span / HOUR_MS)

    def scaled(self, factor: float) -> Upcoming:
        """The same over the same time with another amount."""
        if factor == 1.0:
            return self
        step = self.step
        return Upcoming(PlanStep(step.start_ms, step.end_ms, step.amount * factor, step.route), self.running)

    def delayed(self, millis: int) -> Upcoming:
        """The same dose later."""
        begin, end = self.step.start_ms + millis, self.step.end_ms + millis
        return replace(self, step=replace(self.step, start_ms=begin, end_ms=end))


ToCome = Mapping[str, tuple[Upcoming, ...]]
"""By drug, what is to come of it, in order of time."""

Change = Callable[[dict[str, tuple[Upcoming, ...]]], None]
"""Changes what is to come, in place."""


@dataclass(frozen=True)
class Future:
    """One way on from now.

    Attributes:
        timeline: with all that will be delivered.
        to_come: by drug.
        plan: all planned doses, those of the past and what is to come.
    """

    timeline: Timeline
    to_come: ToCome
    plan: Plan


def as_planned(component: Component, now: int) -> Future:
    """The future if running infusions finish and planned doses are given as planned."""
    kernel = component.trunk.kernel
    timeline, _ = extended(component.timeline, kernel, now, component.plan)
    to_come = {drug: _to_come(delivered, now) for drug, delivered in timeline.delivered.items()}
    return Future(timeline, to_come, _plan(component.plan, to_come, now))


def changed(component: Component, now: int, planned: Future, changes: Iterable[Change]) -> Future:
    """The future with changes of what is ``planned`` to come; nothing of the past can be changed."""
    to_come = dict(planned.to_come)
    for change in changes:
        change(to_come)
    to_come = {drug: tuple(sorted(ups, key=lambda up: up.step.start_ms)) for drug, ups in to_come.items()}
    if to_come == planned.to_come:
        return planned
    ahead = {
        drug: delivered if to_come[drug] == planned.to_come[drug] else _rebuilt(delivered, now, to_come[drug])
        for drug, delivered in planned.timeline.delivered.items()
    }
    timeline = with_delivered(component.timeline, component.trunk.kernel, now, ahead)
    return Future(timeline, to_come, _plan(component.plan, to_come, now))


def _to_come(ahead: Delivered, now: int) -> tuple[Upcoming, ...]:
    found = [Upcoming(PlanStep(at, at, amount, route)) for at, amount, route in ahead.impulses if at > now]
    found += [
        Upcoming(
            PlanStep(
                max(dose.start, now), dose.end, dose.rate * (dose.end - max(dose.start, now)) / HOUR_MS, dose.route
            ),
            running=dose.start <= now,
        )
        for dose in ahead.recorded
        if dose.end > now
    ]
    if len(ahead.pumped) > 1 and ahead.pumped[-1][0] > now:
        end, rate = ahead.pumped[-1][0], ahead.pumped[-2][1]
        found.append(Upcoming(PlanStep(now, end, rate * (end - now) / HOUR_MS), running=True))
    return tuple(sorted(found, key=lambda up: (up.step.start_ms, up.step.end_ms)))


def _rebuilt(planned: Delivered, now: int, to_come: tuple[Upcoming, ...]) -> Delivered:
    """What is delivered of a drug: up to now as it was, then what is to come."""
    found = Delivered(
        impulses=[one for one in planned.impulses if one[0] <= now],
        pulses=[at for at in planned.pulses if at <= now],
        pumped=[step for step in planned.pumped if step[0] <= now],
        recorded=[dose._replace(end=min(dose.end, now)) for dose in planned.recorded if dose.start < now],
        steady=planned.steady,
    )
    pump_runs = bool(found.pumped) and found.pumped[-1][1] > 0
    for up in to_come:
        step, rate = up.step, up.rate
        if step.amount <= 0.0:
            continue
        if up.running and pump_runs and step.route == "iv" and rate is not None:
            found.pumped += [(now, rate), (step.end_ms, 0.0)]
            pump_runs = False
            continue
        if not up.running:
            found.pulses.append(step.start_ms)
        if rate is None:
            found.impulses.append((step.start_ms, step.amount, step.route))
        else:
            found.recorded.append(Recorded(step.start_ms, step.end_ms, rate, step.route))
    if pump_runs:
        found.pumped.append((now, 0.0))
    return with_rates(found)


def _plan(plan: Plan, to_come: ToCome, now: int) -> Plan:
    past = {drug: tuple(step for step in steps if step.start_ms <= now) for drug, steps in plan.items()}
    return past | {drug: (*past.get(drug, ()), *(up.step for up in ups)) for drug, ups in to_come.items()}
