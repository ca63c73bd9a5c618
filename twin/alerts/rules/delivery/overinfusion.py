"""More of a drug reaches the patient than was ordered.

Three ways to see it, the largest counts: the pump runs faster than the plan asks for at this point of the course (a
misprogrammed rate shows in the pump's first report); the course is ahead of its plan by more than a shift of
`twin.alerts.conditions.planned_course.GRACE_MS` explains; the whole course's amount is exceeded. Levels are relative to
the plan (0.1 = 10 %).
"""

from __future__ import annotations

import math

from twin.alerts.conditions.planned_course import GRACE_MS, PlannedCourse, current_course, given, outcome
from twin.alerts.finding import Finding
from twin.alerts.settings import RuleSettings, Severity
from twin.alerts.snapshot import DeliveryView, Snapshot
from twin.clock import HOUR_MS, MINUTE_MS
from twin.events import Subject
from twin.writing import unit as written

RULE = "delivery.overinfusion"
TITLE = "Over-infusion"

SETTINGS = RuleSettings(
    raise_above=0.10,
    clear_below=0.05,
    severity="medium",
    raise_after_ms=10 * MINUTE_MS,
    when_absent="clear",
    refresh_ms=3 * HOUR_MS,
)
"""Infusion pumps keep within about 5 %, elastomeric ones within 10 to 15 % (doi 10.1097/NAN.0000000000000530), hence
10 % for 10 minutes; assumed, to be set by the ward."""

GROSS = 0.5
"""From half as much again on, the alert is of high severity and does not wait (assumed)."""


def find(snapshot: Snapshot) -> tuple[Finding, ...]:
    """One finding for every drug with a planned course."""
    found = []
    for view in snapshot.delivery:
        course = current_course(view, snapshot.time_ms)
        if course is None or course.total <= 0:
            continue
        fast = rate_excess(course)
        ahead = (course.delivered - course.planned_by(snapshot.time_ms + GRACE_MS)) / course.total
        beyond = course.delivered / course.total - 1.0
        level = max(fast, ahead, beyond, 0.0)
        severity: Severity = "high" if level >= GROSS else SETTINGS.severity
        found.append(
            Finding(
                rule=RULE,
                subject=Subject("drug", view.drug),
                level=level,
                severity=severity,
                text=_text(view, course, fast, ahead, beyond),
                newest_ms=view.last_report_ms,
                urgent=level >= GROSS,
                stage=course.stage,
                episode_ms=course.begin_ms,
                outcome=outcome(view.drug, course, view.amount_unit),
            )
        )
    return tuple(found)


def rate_excess(course: PlannedCourse) -> float:
    """Present rate over the rate the plan asks for at the delivered amount, less one; 0 where neither is known."""
    due = course.rate_after(course.delivered)
    if course.rate <= 0 or due is None or math.isinf(due) or due <= 0:
        return 0.0
    excess = course.rate / due - 1.0
    matching = [course.rate / rate - 1.0 for rate in course.rates_around(course.delivered) if rate > 0]
    # Where one planned rate gives way to another, either is right; a rate that is neither is judged by the plan's own.
    return min([excess, *(other for other in matching if abs(other) <= SETTINGS.raise_above)])


def _text(view: DeliveryView, course: PlannedCourse, fast: float, ahead: float, beyond: float) -> str:
    due = course.rate_after(course.delivered)
    largest = max(fast, ahead, beyond)
    if course.stage == "ended":
        early = f"; ahead of the plan by {ahead:.0%} of the course" if beyond <= SETTINGS.clear_below < ahead else ""
        return outcome(view.drug, course, view.amount_unit).removesuffix(".") + f"{early}; it has ended."
    amount = given(course, view.amount_unit)
    if largest <= SETTINGS.clear_below:
        return f"{view.drug}: delivery as planned; {amount}."
    if largest == fast and due is not None:
        charted = f" ({view.charted:.4g} of it charted as given, not told by a pump)" if view.charted > 0 else ""
        unit = written(view.rate_unit)
        rates = f"running at {course.rate:.4g} {unit}{charted} where {due:.4g} {unit} is planned"
        return f"{view.drug}: {rates} ({fast:+.0%}); {amount}."
    if beyond > SETTINGS.clear_below:
        return f"{view.drug}: {beyond:.0%} more than the planned course; {amount}."
    running = "" if course.rate > 0 else "; not running"
    return f"{view.drug}: ahead of the plan by {ahead:.0%} of the course; {amount}{running}."
