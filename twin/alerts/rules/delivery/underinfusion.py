"""Less of a drug reaches the patient than was ordered: slow, stopped, occluded or never started.

The larger of two counts: while a course runs, the shortfall of the pump's rate against the rate the plan asks for at
this point of the course; and the shortfall of the amount against what the plan had
`twin.alerts.conditions.planned_course.GRACE_MS` ago, so that an ordinary late start is no alert. Levels are relative to
the plan (0.1 = 10 %).
"""

from __future__ import annotations

import math
from functools import partial

from twin.alerts.conditions.planned_course import GRACE_MS, NEARLY_ALL, PlannedCourse, current_course, given, outcome
from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, stated
from twin.alerts.snapshot import DeliveryView, Snapshot
from twin.events import Subject, Watched
from twin.wording import Said, amount, say, share

RULE = "delivery.underinfusion"
TITLE = "Under-infusion"

SETTINGS = stated(
    "reversible",
    "prompt",
    {
        "raise_above": Threshold(
            0.10, "1", source="accuracy of pumps: doi 10.1097/NAN.0000000000000530", assumed="to be set by the ward"
        ),
        "clear_below": Threshold(0.05, "1", source="accuracy of pumps: doi 10.1097/NAN.0000000000000530"),
        "raise_after": Threshold(15, "min", assumed="a pause for a bag change or a line check is ordinary"),
        "refresh_every": Threshold(3, "h", assumed="news of a course that takes two days"),
    },
)
"""Relative to the plan. Until the course has ended it is the cause of too little exposure."""

ADVICE = "Look at the line, the clamp and the bag; compare the rate on the pump with the order."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every drug with a planned course."""
    found = []
    for view in snapshot.delivery:
        course = current_course(view, snapshot.time_ms)
        if course is None or course.total <= 0:
            continue
        its, slow = settings_for(view.drug), rate_shortfall(course)
        behind = 0.0
        if course.delivered < NEARLY_ALL * course.total:
            given_so_far = course.delivered + course.uncharted
            behind = (course.planned_by(snapshot.time_ms - GRACE_MS) - given_so_far) / course.total
        found.append(
            Finding(
                rule=RULE,
                subject=Subject("drug", view.drug),
                level=max(slow, behind, 0.0),
                severity=its.severity,
                words=partial(_text, view, course, slow, behind, its.clear_below),
                newest_ms=view.last_report_ms,
                stage=course.stage,
                episode_ms=course.begin_ms,
                ending=partial(outcome, view.drug, course, view.amount_unit),
                advice=ADVICE,
                settings=its,
                quantity=partial(_watched, view, course, slow, behind, its.raise_above),
                about=None if course.stage != "ended" else (),
            )
        )
    return tuple(found)


def rate_shortfall(course: PlannedCourse) -> float:
    """One less the present rate over the planned rate at the delivered amount; 0 before the start and at the end.

    Where a dose by hand may not be charted yet, the rate may also be the one that is planned after it.
    """
    if not course.started or course.delivered >= NEARLY_ALL * course.total:
        return 0.0
    due = course.rate_after(course.delivered)
    around = course.rates_around(course.delivered)
    if due is None or math.isinf(due) or (around and course.rate == 0):
        return 0.0  # between two planned doses nothing need run; the amount shows when it takes too long
    finite = [rate for rate in (*course.rates_due(), *around) if math.isfinite(rate) and rate > 0]
    return min((1.0 - course.rate / rate for rate in finite), default=0.0)


def _watched(
    view: DeliveryView, course: PlannedCourse, slow: float, behind: float, raise_above: float
) -> Watched | None:
    """The rate, or the amount so far, and from where on it is too little."""
    if slow > behind and slow > 0:
        limit = (1.0 - raise_above) * (course.rate / (1.0 - slow) if slow < 1.0 else _due(course))
        return Watched(f"{view.drug}, rate", view.rate_unit, "below", limit, course.rate)
    limit = course.delivered + (behind - raise_above) * course.total
    return Watched(f"{view.drug}, amount so far", view.amount_unit, "below", limit, course.delivered)


def _due(course: PlannedCourse) -> float:
    """The rate that is planned at the delivered amount, mg/h, where one is; else 0."""
    due = course.rate_after(course.delivered)
    return due if due is not None and math.isfinite(due) else 0.0


def _text(view: DeliveryView, course: PlannedCourse, slow: float, behind: float, little: float) -> Said:
    drug, so_far = view.drug, given(course, view.amount_unit)
    if course.stage == "ended":
        return outcome(drug, course, view.amount_unit)
    if max(slow, behind) <= little:
        return say("delivery.as_planned", "{drug}: delivery as planned; {given}.", drug=drug, given=so_far)
    if not course.started:
        return say(
            "underinfusion.not_started",
            "{drug}: planned course has not started; behind the plan by {p} of it.",
            drug=drug, p=share(behind),
        )  # fmt: skip
    if behind >= slow:
        return say(
            "underinfusion.behind", "{drug}: behind the plan by {p} of the course; {given}.",
            drug=drug, p=share(behind), given=so_far,
        )  # fmt: skip
    if course.rate == 0:
        return say("underinfusion.stopped", "{drug}: not running in mid-course; {given}.", drug=drug, given=so_far)
    return say(
        "underinfusion.slow", "{drug}: running at {rate}, {p} below the planned rate; {given}.",
        drug=drug, rate=amount(f"{course.rate:.4g}", view.rate_unit), p=share(slow), given=so_far,
    )  # fmt: skip
