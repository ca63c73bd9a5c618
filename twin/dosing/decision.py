"""What can be decided now: which doses to come may be moved, and when their exposure is judged.

While a course of the drug is being given, that is what is left of it: the rate that runs now and the doses that
follow. Otherwise it is the next course of the plan. Without a plan it is what is usual: the last dose once more, an
interval of the model's regimen later, and again and again where a trough in a course is what is aimed at, until that is
settled; of a patient who never had the drug, the regimen's first course, now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from twin.clock import HOUR_MS, UNIT_MS
from twin.dosing.futures import Change, Future, Upcoming, as_planned
from twin.dosing.protocol import Protocol
from twin.model.spec import Model, RegimenSpec
from twin.patient.accounts.component import Component
from twin.patient.reading import COURSE_GAP_MS
from twin.record.limits import amount_of
from twin.record.orders import PlanStep
from twin.timeline.delivery import Delivered
from twin.timeline.timeline import Timeline
from twin.wording import Said, say

What = Literal["rate now", "rest of the course", "next dose"]

SHORT_MS = HOUR_MS
"""What is given within this is no infusion to a protocol that adjusts infusions alone (assumed)."""

TOGETHER_MS = HOUR_MS
"""Doses that begin within this are chosen as one (assumed: a bolus and its infusion)."""


class NoAdvice(ValueError):
    """There is nothing to advise on; the message says why and what would change it."""


@dataclass(frozen=True)
class Decision:
    """What can be decided.

    Attributes:
        what: in words.
        drug: which.
        doses: to come that may be moved, in order of time.
        course: all doses of the course that they belong to.
        begun: the course is being given already.
        since: ms at which it began, or will.
        aims: a target of the drug says how much is wanted; else the plan does.
        note: where the doses come from, if not from a plan.
        given: mg of the drug up to now.
        gap: time (ms) without the drug that ends a course.
    """

    what: What
    drug: str
    doses: tuple[Upcoming, ...]
    course: tuple[Upcoming, ...]
    begun: bool
    since: int
    aims: bool
    note: Said | None = None
    given: float = 0.0
    gap: int = COURSE_GAP_MS

    @property
    def begins(self) -> int:
        """When (ms) the first of them begins, or began to be what is left."""
        return self.course[0].step.start_ms

    @property
    def amount(self) -> float:
        """mg of all that may be moved."""
        return sum(up.step.amount for up in self.doses)

    @property
    def largest(self) -> Upcoming:
        """The largest of them, of which a protocol's steps and caps are."""
        return max(self.doses, key=lambda up: up.step.amount)

    def rounded(self, factor: float, protocol: Protocol) -> tuple[float, ...]:
        """What each dose is multiplied by, for about ``factor`` of the plan: in whole steps of syringe or pump."""
        return tuple(_rounded(up, factor, protocol) for up in self.doses)

    def allowed(self, ratios: Sequence[float], protocol: Protocol) -> bool:
        """Whether a protocol lets these doses be given."""
        pairs = list(zip(self.doses, ratios, strict=True))
        total = sum(up.step.amount * ratio for up, ratio in pairs) / self.amount
        if protocol.lifetime is not None and self.given + total * self.amount > protocol.lifetime * (1 + SLACK):
            return False
        if not protocol.lowest - SLACK <= total <= protocol.highest_of(self.aims) + SLACK:
            return False
        return all(
            (protocol.most is None or up.running or up.step.amount * ratio <= protocol.most * (1 + SLACK))
            and (protocol.most_rate is None or (up.rate or 0.0) * ratio <= protocol.most_rate * (1 + SLACK))
            for up, ratio in pairs
        )

    def change(self, ratios: Sequence[float], delay: int = 0) -> Change:
        """Gives the doses times ``ratios``, and the whole course with all that follows later by ``delay`` (ms)."""
        by_dose = {_mark(up): ratio for up, ratio in zip(self.doses, ratios, strict=True)}

        def apply(to_come: dict[str, tuple[Upcoming, ...]]) -> None:
            moved = [up.scaled(by_dose.get(_mark(up), 1.0)) for up in to_come[self.drug]]
            to_come[self.drug] = tuple(up for up in moved if up.step.amount > 0.0)
            if delay:
                for drug, ups in to_come.items():
                    # What is given with a course goes with it.
                    to_come[drug] = tuple(
                        up.delayed(delay) if not up.running and up.step.start_ms >= self.begins - HOUR_MS else up
                        for up in ups
                    )

        return apply


SLACK = 1e-9
"""Of a rounded number, so that what is just at a limit is not beyond it."""


def _mark(up: Upcoming) -> tuple[int, bool]:
    """By what a dose is known in every account: what runs now may end at other times, or have ended."""
    return up.step.start_ms, up.running


def _rounded(up: Upcoming, factor: float, protocol: Protocol) -> float:
    if up.running and up.rate is not None and protocol.rate_step is not None:
        return round(factor * up.rate / protocol.rate_step) * protocol.rate_step / up.rate
    if not up.running and protocol.step is not None:
        return round(factor * up.step.amount / protocol.step) * protocol.step / up.step.amount
    return factor


def decision(components: Sequence[Component], now: int, protocol: Protocol) -> tuple[Decision, tuple[Future, ...]]:
    """What can be decided ``now`` (ms), and of each component the future as planned, with what is usual if need be.

    Raises:
        NoAdvice: nothing runs or is planned, and nothing is usual.
    """
    futures = [as_planned(component, now) for component in components]
    model, drug, note = components[0].trunk.kernel.model, protocol.drug, None
    if not futures[0].to_come.get(drug):
        usual, note = _usual(components[0], now, protocol)
        components = [replace(one, plan=one.plan | {drug: (*_past(one, now, drug), *usual)}) for one in components]
        futures = [as_planned(component, now) for component in components]
    to_come = futures[0].to_come[drug]
    gap = _gap(model, protocol)
    course, begun = _course(components[0].timeline, to_come, now, drug, gap)
    doses = course
    if protocol.adjusts == "infusions":
        doses = tuple(up for up in course if up.step.end_ms - up.step.start_ms > SHORT_MS)
        if not doses:
            raise NoAdvice(
                say(
                    "dose.no_infusion",
                    "{drug}: the course has no infusion, and the protocol '{protocol}' adjusts no other dose",
                    drug=drug,
                    protocol=protocol.id,
                )
            )
    what: What = "next dose"
    if begun:
        what = "rate now" if any(up.running for up in doses) else "rest of the course"
    aims = protocol.target_of(model) is not None
    given = components[0].timeline.delivered.get(drug, Delivered())
    starts = [at for at in given.starts(gap) if at <= now]
    since = starts[-1] if begun and starts else course[0].step.start_ms
    return Decision(what, drug, doses, course, begun, since, aims, note, given.amount(0, now), gap), tuple(futures)


def _past(component: Component, now: int, drug: str) -> tuple[PlanStep, ...]:
    return tuple(step for step in component.plan.get(drug, ()) if step.start_ms <= now)


def _gap(model: Model, protocol: Protocol) -> int:
    """Time (ms) without the drug that ends a course."""
    target = protocol.target_of(model)
    return COURSE_GAP_MS if target is None else round(target.course_gap * UNIT_MS[model.time_unit])


def _course(
    timeline: Timeline, to_come: tuple[Upcoming, ...], now: int, drug: str, gap: int
) -> tuple[tuple[Upcoming, ...], bool]:
    """The doses to come of the course that is being given, or else of the next one; whether it has begun."""
    given = timeline.delivered.get(drug, Delivered())
    ends = [min(end, now) for start, end in given.spans() if start <= now]
    begun = any(up.running for up in to_come) or (bool(ends) and to_come[0].step.start_ms - max(ends) < gap)
    course: list[Upcoming] = []
    until = to_come[0].step.start_ms
    for up in to_come:
        if up.step.start_ms - until >= gap:
            break
        course.append(up)
        until = max(until, up.step.end_ms)
    return tuple(course), begun


def _usual(component: Component, now: int, protocol: Protocol) -> tuple[tuple[PlanStep, ...], Said]:
    """What is usual where nothing is planned: the last dose again, or the model's regimen from its beginning."""
    model, drug = component.trunk.kernel.model, protocol.drug
    regimens = [regimen for regimen in model.regimens if regimen.drug == drug]
    if not regimens:
        raise NoAdvice(
            say(
                "dose.nothing",
                "{drug}: nothing runs and nothing is planned, and {model} has no regimen; send a plan",
                drug=drug,
                model=model.id,
            )
        )
    unit = UNIT_MS[model.time_unit]
    last = _last(component.timeline, now, drug)
    every = round(regimens[0].interval * unit)
    if last is None:
        steps = tuple(_first(regimen, model, component, now, unit) for regimen in regimens)
        return steps, say(
            "dose.regimen_begins",
            "no dose of {drug} is planned: the regimen of {model} is taken to begin now",
            drug=drug,
            model=model.id,
        )
    begin = last.start_ms + every * max(1, -(-(now + 1 - last.start_ms) // every))
    starts = [begin + k * every for k in range(_repeats(model, protocol, every))]
    steps = tuple(replace(last, start_ms=at, end_ms=at + last.end_ms - last.start_ms) for at in starts)
    return steps, say(
        "dose.comes_again",
        "no dose of {drug} is planned: the last one is taken to come again after the usual interval",
        drug=drug,
    )


def _repeats(model: Model, protocol: Protocol, every: int) -> int:
    """How many doses show what they do: one, but of a trough in a course that goes on from dose to dose as many as come
    until it is settled, and one that follows."""
    target = protocol.target_of(model)
    if target is None or target.measure != "trough" or every >= _gap(model, protocol):
        return 1
    return 1 + max(1, -(-round(target.settled * UNIT_MS[model.time_unit]) // every))


def _first(regimen: RegimenSpec, model: Model, component: Component, now: int, unit: int) -> PlanStep:
    begin = now + round(regimen.start * unit) + 1
    amount = amount_of(regimen, model)
    names = [covariate.name for covariate in model.covariates]
    if regimen.amount_unit == "mg/m2" and "BSA" in names:
        amount = regimen.amount * float(component.timeline.covariates_at(now)[names.index("BSA")])
    return PlanStep(begin, begin + round(regimen.duration * unit), amount, regimen.route)


def _last(timeline: Timeline, now: int, drug: str) -> PlanStep | None:
    given = timeline.delivered.get(drug, Delivered())
    doses = [PlanStep(at, at, amount, route) for at, amount, route in given.impulses if at <= now]
    doses += [
        PlanStep(one.start, one.end, one.rate * (one.end - one.start) / HOUR_MS, one.route)
        for one in given.recorded
        if one.start <= now
    ]
    doses += (
        [PlanStep(start, end, given.amount(start, end)) for start, end in given.spans() if start < end <= now]
        if not doses
        else []
    )
    return max(doses, key=lambda dose: dose.start_ms, default=None)
