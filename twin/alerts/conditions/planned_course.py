"""The ordered course that a delivery belongs to, as amount over time and as rate over amount.

A ward is rarely on the minute: an infusion starts an hour late, a bag is changed. So a delivery is not held against
the plan's clock but against its *amounts*: the rate that ought to run is the one the plan asks for once as much has
been delivered as has been (`rate_after`), and the cumulative amount is early or late only beyond what a shift of
`GRACE_MS` explains (`planned_by`).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache

from twin.alerts.snapshot import DeliveryView
from twin.clock import HOUR_MS
from twin.record.orders import PlanStep
from twin.wording import Said, amount, bare, say, share

COURSE_GAP_MS = 72 * HOUR_MS
"""Planned doses further apart than this belong to different courses (assumed: between a two-day infusion with its
bolus and the two- or three-week cycle)."""

GRACE_MS = 2 * HOUR_MS
"""How far a course may run before or behind its planned times without comment (assumed: ordinary ward practice)."""

JUDGED_MS = 96 * HOUR_MS
"""How long after its end a course is still judged: the time within which uridine triacetate may follow an
overdose of fluorouracil (its United States label)."""

CHARTED_MS = 12 * HOUR_MS
"""How long a dose given by hand may wait to be written down (assumed: a shift)."""

BOUNDARY = 0.05
"""Relative uncertainty of the delivered amount at which one planned rate gives way to the next (pump accuracy)."""

NEARLY_ALL = 0.95
"""Fraction of the planned total after which the course counts as given (residual volume of bag and line)."""


@dataclass(frozen=True)
class PlannedCourse:
    """One planned course and what has been delivered of it.

    Attributes:
        steps: planned doses in order, given one after the other.
        delivered: mg delivered of this course; 0 when it is due and another, earlier one was the last to be given.
        rate: mg/h delivered now.
        started: something was delivered of it.
        uncharted: mg of planned doses before the one that what is delivered began with, as far as can be seen from
            when it began: most likely given by hand, and not written down yet.
    """

    steps: tuple[PlanStep, ...]
    delivered: float
    rate: float
    started: bool
    uncharted: float = 0.0

    @property
    def begin_ms(self) -> int:
        """Planned beginning of the course, by which it is told from others."""
        return self.steps[0].start_ms

    @property
    def stage(self) -> str:
        """Where the delivery stands: not started, running, stopped on the way, or ended."""
        if not self.started:
            return "not started"
        if self.rate > 0:
            return "running"
        return "ended" if self.delivered >= NEARLY_ALL * self.total else "stopped"

    @cached_property
    def total(self) -> float:
        """Planned mg of the whole course."""
        return sum(step.amount for step in self.steps)

    @property
    def end_ms(self) -> int:
        """Planned end of the course."""
        return max(step.end_ms for step in self.steps)

    def planned_by(self, time_ms: int) -> float:
        """Planned cumulative mg at ``time_ms``."""
        return sum(_given(step, time_ms) for step in self.steps)

    def rate_after(self, amount: float) -> float | None:
        """Planned rate, mg/h, once ``amount`` mg are in: infinite for a dose given at once; None beyond the total."""
        done = 0.0
        for step in self.steps:
            done += step.amount
            if amount < done:
                return _rate(step)
        return None

    def rates_due(self) -> tuple[float, ...]:
        """Planned rates that may be meant now, mg/h: at what is delivered, and with what may not be charted yet."""
        amounts = (self.delivered, self.delivered + self.uncharted) if self.uncharted else (self.delivered,)
        rates = map(self.rate_after, amounts)
        return tuple(rate for rate in rates if rate is not None and 0 < rate < math.inf)

    def rates_around(self, amount: float) -> tuple[float, ...]:
        """Planned rates on both sides of every change of rate that ``amount`` cannot be distinguished from, mg/h."""
        done = 0.0
        near: list[float] = []
        for step, following in zip(self.steps, self.steps[1:], strict=False):
            done += step.amount
            if abs(amount - done) <= BOUNDARY * done:
                near += [_rate(step), _rate(following)]
        return tuple(near)


def outcome(drug: str, course: PlannedCourse, unit: str) -> Said:
    """What was delivered of a course in the end, beside what was planned.

    >>> outcome("paclitaxel", PlannedCourse((PlanStep(0, 0, 117.0),), 234.0, 0.0, started=True), "mg")
    'paclitaxel: 234 of 117 mg delivered, twice the plan.'
    """
    return say(
        "course.outcome", "{drug}: {given}, {against}.",
        drug=drug, given=given(course, unit), against=against_plan(course),
    )  # fmt: skip


def given(course: PlannedCourse, unit: str) -> Said:
    """The amount delivered so far beside the planned one."""
    so_far, total = _figure(course.delivered), _figure(course.total)
    return say("course.given", "{given} of {total} delivered", given=bare(so_far, unit), total=amount(total, unit))


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def against_plan(course: PlannedCourse) -> Said:
    """What was delivered, as a part or a multiple of the plan."""
    ratio = course.delivered / course.total
    if abs(ratio - 1.0) <= BOUNDARY:
        return say("course.as_planned", "as planned")
    if abs(ratio - 2.0) <= BOUNDARY:
        return say("course.twice", "twice the plan")
    if ratio > 2.0:
        return say("course.times", "{times} times the plan", times=float(f"{ratio:.2g}"))
    return say("course.share", "{p} of the plan", p=share(ratio))


@lru_cache(maxsize=32)  # the rules on delivery ask of the same moments in turn
def current_course(view: DeliveryView, time_ms: int) -> PlannedCourse | None:
    """The course being given, or the one that is due and has not begun; None without a plan or long after its end."""
    groups = _courses(view.plan)
    if not groups:
        return None
    due = bisect_right(groups, time_ms - GRACE_MS, key=lambda steps: steps[0].start_ms) - 1
    given = -1
    if view.since_ms is not None:
        since = view.since_ms
        given = min(range(len(groups)), key=lambda i: abs(groups[i][0].start_ms - since)) if len(groups) > 1 else 0
    if given >= 0 and due <= given:
        latest = view.since_ms
        missing = 0.0 if latest is None else _uncharted(groups[given], latest, view.delivered, time_ms)
        course = PlannedCourse(groups[given], view.delivered, view.rate, started=True, uncharted=missing)
    elif due >= 0:
        course, latest = PlannedCourse(groups[due], 0.0, 0.0, started=False), None
    else:
        return None
    ended = max(course.end_ms, latest if latest is not None else course.end_ms)
    return course if course.rate > 0 or time_ms <= ended + JUDGED_MS else None


def _uncharted(steps: tuple[PlanStep, ...], since: int, delivered: float, millis: int) -> float:
    """mg of the planned doses before the one whose beginning is nearest to ``since`` (ms), when delivery began."""
    nearest = min(range(len(steps)), key=lambda k: abs(steps[k].start_ms - since)) if len(steps) > 1 else 0
    if nearest == 0:
        return 0.0
    before = sum(step.amount for step in steps[:nearest])
    total = sum(step.amount for step in steps)
    in_time = abs(steps[nearest].start_ms - since) <= GRACE_MS and millis - since <= CHARTED_MS
    return before if in_time and delivered + before <= (1.0 + BOUNDARY) * total else 0.0


def _courses(plan: tuple[PlanStep, ...]) -> list[tuple[PlanStep, ...]]:
    groups: list[list[PlanStep]] = []
    for step in sorted(plan, key=lambda step: (step.start_ms, step.end_ms)):
        if groups and step.start_ms - max(s.end_ms for s in groups[-1]) <= COURSE_GAP_MS:
            groups[-1].append(step)
        else:
            groups.append([step])
    return [tuple(group) for group in groups]


def _given(step: PlanStep, time_ms: int) -> float:
    if time_ms >= step.end_ms:
        return step.amount
    if time_ms <= step.start_ms:
        return 0.0
    return step.amount * (time_ms - step.start_ms) / (step.end_ms - step.start_ms)


def _rate(step: PlanStep) -> float:
    hours = (step.end_ms - step.start_ms) / HOUR_MS
    return step.amount / hours if hours > 0 else math.inf
