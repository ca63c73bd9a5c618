"""When the exposure to a drug is complete, and which doses count until then.

A target is held against what its measure will be at its *end*: a course ends once nothing was given for the model's
gap, so that all of it is eliminated; a day after 24 h; a trough just before the next dose, and before the target holds
(`TargetSpec.settled`) that of the first dose from which it does. Doses that are planned until then count. Where nothing
was planned, nothing is said about the end of a course; the doses of a day or up to a trough are then the usual ones:
the last dose again and again, as far apart as the last two, or as in the model's regimen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twin.clock import DAY_MS, HOUR_MS, UNIT_MS
from twin.kernel.kernel import Kernel
from twin.model.spec import Model, TargetSpec
from twin.record.orders import Plan, PlanStep
from twin.timeline.delivery import Delivered
from twin.timeline.planned_future import extended
from twin.timeline.timeline import Timeline


@dataclass(frozen=True)
class Window:
    """One target of a model at one instant.

    Attributes:
        index: of the target in the model.
        begun: ms at which the present course of its drug began.
        fresh: what its state gathers begins just now, so that a cloud still holds the last one.
        end: ms at which its measure will be, or was, complete; ``None`` when nothing can be said of it.
        known: the doses until then are known, planned or usual; otherwise only those given so far count.
        ahead: the timeline with the doses that count.
        per: what the measure is divided by: the days that it was gathered over, of a *day* that is cut short.
    """

    index: int
    target: TargetSpec
    begun: int
    fresh: bool
    end: int | None
    known: bool
    ahead: Timeline
    per: float = 1.0

    def running(self, millis: int) -> bool:
        """Whether the measure is still incomplete at ``millis``."""
        return self.end is not None and millis < self.end


def windows(kernel: Kernel, timeline: Timeline, future: Timeline, plan: Plan, millis: int) -> tuple[Window, ...]:
    """Every target of which the present course has begun.

    Args:
        kernel: of the model.
        timeline: of the record.
        future: the same with what is planned after ``millis`` (`twin.timeline.planned_future.extended`).
        plan: as it stands.
        millis: now.
    """
    found = []
    for index, target in enumerate(kernel.model.targets):
        gap = round(target.course_gap * UNIT_MS[kernel.model.time_unit])
        given = timeline.delivered.get(target.drug, Delivered())
        begun = [start for start in given.starts(gap) if start <= millis]
        if begun:
            course = _Course(kernel, timeline, future, plan, millis, begun[-1], gap)
            found.append(course.window(index, target))
    return tuple(found)


@dataclass(frozen=True)
class _Course:
    kernel: Kernel
    timeline: Timeline
    future: Timeline
    plan: Plan
    millis: int
    begun: int
    gap: int

    def window(self, index: int, target: TargetSpec) -> Window:
        if target.measure == "day":
            return self._day(index, target)
        if target.measure == "trough":
            return self._trough(index, target)
        ahead = self.future.delivered[target.drug]
        end = max(_last_end(ahead, self.begun, self.gap) + self.gap, self.millis)
        known = self._planned(target.drug) or self.millis >= end
        fresh = self.millis in self.timeline.courses[index]
        return Window(index, target, self.begun, fresh, end, known, self.future)

    def _planned(self, drug: str) -> bool:
        """Whether the plan says anything about the present course."""
        return any(step.start_ms >= self.begun - self.gap for step in self.plan.get(drug, ()))

    def _day(self, index: int, target: TargetSpec) -> Window:
        starts = [start for start in self.timeline.courses[index] if start <= self.millis]
        start, fresh = starts[-1], starts[-1] == self.millis
        if self.millis > start + DAY_MS:
            return Window(index, target, self.begun, fresh, None, False, self.future)
        ahead, known = self.future, True
        if not self._planned(target.drug):
            usual = self._usual(target.drug, start + DAY_MS - 1)
            known = usual is not None
            ahead = self._with(target.drug, usual or ())
        following = [other for other in ahead.courses[index] if other > self.millis]
        end = min([start + DAY_MS, *(other - 1 for other in following)])
        return Window(index, target, self.begun, fresh, end, known, ahead, (end - start) / DAY_MS)

    def _trough(self, index: int, target: TargetSpec) -> Window:
        settled = self.begun + round(target.settled * UNIT_MS[self.kernel.model.time_unit])
        ahead, doses = self.future, self._planned_doses(target.drug)
        if not doses:
            usual = self._usual(target.drug, max(settled, self.millis), beyond=True) or ()
            ahead, doses = self._with(target.drug, usual), [step.start_ms for step in usual]
        after = [dose for dose in doses if dose >= max(settled, self.millis + 1)] or doses[-1:]
        end = after[0] - 1 if after else None
        return Window(index, target, self.begun, False, end, end is not None, ahead)

    def _planned_doses(self, drug: str) -> list[int]:
        """When the doses still to come of the present course are to be given."""
        found: list[int] = []
        last = self.millis
        for step in self.plan.get(drug, ()):
            if step.start_ms > self.millis and step.start_ms - last < self.gap:
                found.append(step.start_ms)
                last = step.end_ms
        return found

    def _usual(self, drug: str, until: int, *, beyond: bool = False) -> tuple[PlanStep, ...] | None:
        """The doses that are usual after now up to ``until`` (ms), and the one ``beyond``; ``None``: none are known."""
        last, every = self._last_dose(drug), self._interval(drug)
        if last is None or every is None:
            return None
        steps: list[PlanStep] = []
        begin = last.start_ms + every * max(1, -(-(self.millis + 1 - last.start_ms) // every))
        while begin <= until or (beyond and (not steps or steps[-1].start_ms < until)):
            steps.append(PlanStep(begin, begin + last.end_ms - last.start_ms, last.amount, last.route))
            begin += every
        return tuple(steps)

    def _last_dose(self, drug: str) -> PlanStep | None:
        given = self.timeline.delivered[drug]
        doses = [PlanStep(at, at, amount, route) for at, amount, route in given.impulses if at <= self.millis]
        doses += [
            PlanStep(one.start, one.end, one.rate * (one.end - one.start) / HOUR_MS, one.route)
            for one in given.recorded
            if one.start <= self.millis
        ]
        return max(doses, key=lambda dose: dose.start_ms, default=None)

    def _interval(self, drug: str) -> int | None:
        begins = [at for at in self.timeline.delivered[drug].begins() if self.begun <= at <= self.millis]
        if len(begins) > 1 and begins[-1] - begins[-2] >= HOUR_MS:
            return begins[-1] - begins[-2]
        return _regimen_interval(self.kernel.model, drug)

    def _with(self, drug: str, usual: Sequence[PlanStep]) -> Timeline:
        """The future with doses as usual of a drug of which none are planned."""
        if not usual:
            return self.future
        planned: Mapping[str, tuple[PlanStep, ...]] = self.plan | {drug: tuple(usual)}
        return extended(self.timeline, self.kernel, self.millis, planned)[0]


def _regimen_interval(model: Model, drug: str) -> int | None:
    every = next((regimen.interval for regimen in model.regimens if regimen.drug == drug), None)
    return None if every is None else round(every * UNIT_MS[model.time_unit])


def _last_end(given: Delivered, begun: int, gap: int) -> int:
    """When the last delivery of the course ends that began at ``begun`` (ms)."""
    until = begun
    for start, end in given.spans():
        if start >= begun:
            if start - until >= gap:
                break
            until = max(until, end)
    return until
