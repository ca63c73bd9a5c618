"""More of a drug reaches the patient than was ordered.

Three ways to see it, the largest counts: the pump runs faster than the plan asks for at this point of the course (a
misprogrammed rate shows in the pump's first report); the course is ahead of its plan by more than a shift of
`twin.alerts.conditions.planned_course.GRACE_MS` explains; the whole course's amount is exceeded. Levels are relative to
the plan (0.1 = 10 %).
"""

from __future__ import annotations

from functools import partial

from twin.alerts.conditions.planned_course import GRACE_MS, PlannedCourse, against_plan, current_course, given, outcome
from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, severity_of, stated
from twin.alerts.snapshot import DeliveryView, Snapshot
from twin.events import Subject, Watched
from twin.wording import Said, amount, bare, change, say, share

RULE = "delivery.overinfusion"
TITLE = "Over-infusion"

_ACCURACY = "pumps keep within about 5 %, elastomeric ones within 10 to 15 %: doi 10.1097/NAN.0000000000000530"

SETTINGS = stated(
    "reversible",
    "prompt",
    {
        "raise_above": Threshold(0.10, "1", source=_ACCURACY, assumed="a tenth, to be set by the ward"),
        "clear_below": Threshold(0.05, "1", source=_ACCURACY),
        "raise_after": Threshold(10, "min", assumed="a bolus or a purge is shorter"),
        "refresh_every": Threshold(3, "h", assumed="news of a course that takes two days"),
        "gross": Threshold(0.5, "1", assumed="from half as much again on it may kill, and does not wait"),
        "escalate_after": Threshold(15, "min", assumed="nobody has seen it for as long as it took to be sure"),
    },
    latching=True,
)
"""Relative to the plan. What has gone in stays in, so that it latches. While the course runs it is the cause of too
much exposure; afterwards that is what has to be seen to."""

ADVICE = "Compare the rate on the pump with the order; look at concentration, patient and drug of the bag."


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every drug with a planned course."""
    found = []
    for view in snapshot.delivery:
        course = current_course(view, snapshot.time_ms)
        if course is None or course.total <= 0:
            continue
        its = settings_for(view.drug)
        fast = rate_excess(course, its.raise_above)
        ahead = (course.delivered - course.planned_by(snapshot.time_ms + GRACE_MS)) / course.total
        beyond = course.delivered / course.total - 1.0
        level = max(fast, ahead, beyond, 0.0)
        gross = level >= its.number("gross")
        found.append(
            Finding(
                rule=RULE,
                subject=Subject("drug", view.drug),
                level=level,
                severity=severity_of("irreversible", "prompt") if gross else its.severity,
                words=partial(_text, view, course, fast, ahead, beyond, its.clear_below),
                newest_ms=view.last_report_ms,
                urgent=gross,
                stage=course.stage,
                episode_ms=course.begin_ms,
                ending=partial(outcome, view.drug, course, view.amount_unit),
                advice=ADVICE,
                settings=its,
                quantity=partial(_watched, view, course, fast, beyond, level, its.raise_above),
                about=None if course.stage != "ended" else (),
            )
        )
    return tuple(found)


def rate_excess(course: PlannedCourse, tolerated: float) -> float:
    """Present rate over the rate the plan asks for, less one; 0 where neither is known.

    Where one planned rate gives way to another, or a dose by hand may not be charted yet, any of them is right to
    within what is ``tolerated``. A rate that is none of them is judged by the highest of which it is at least half.
    """
    due = course.rates_due()
    if course.rate <= 0 or not due:
        return 0.0
    excess = course.rate / max((rate for rate in due if course.rate >= 0.5 * rate), default=min(due)) - 1.0
    others = (*due, *(rate for rate in course.rates_around(course.delivered) if rate > 0))
    return min([excess, *(off for rate in others if abs(off := course.rate / rate - 1.0) <= tolerated)])


def _watched(
    view: DeliveryView, course: PlannedCourse, fast: float, beyond: float, level: float, raise_above: float
) -> Watched:
    """The rate, or the amount so far, and from where on it is too much."""
    if fast == level > 0:
        limit = course.rate / (1.0 + fast) * (1.0 + raise_above)
        return Watched(f"{view.drug}, rate", view.rate_unit, "above", limit, course.rate)
    planned = course.total if beyond == level else course.delivered - level * course.total
    limit = planned + raise_above * course.total
    return Watched(f"{view.drug}, amount so far", view.amount_unit, "above", limit, course.delivered)


def _text(view: DeliveryView, course: PlannedCourse, fast: float, ahead: float, beyond: float, little: float) -> Said:
    largest, drug, so_far = max(fast, ahead, beyond), view.drug, given(course, view.amount_unit)
    if course.stage == "ended":
        early: str = ""
        if beyond <= little < ahead:
            early = say("overinfusion.early", "; ahead of the plan by {p} of the course", p=share(ahead))
        return say(
            "overinfusion.ended",
            "{drug}: {given}, {against}{early}; it has ended.",
            drug=drug, given=so_far, against=against_plan(course), early=early,
        )  # fmt: skip
    if largest <= little:
        return say("delivery.as_planned", "{drug}: delivery as planned; {given}.", drug=drug, given=so_far)
    if largest == fast:
        charted: str = ""
        if view.charted > 0:
            charted = say(
                "overinfusion.charted",
                " ({rate} of it charted as given, not told by a pump)",
                rate=bare(f"{view.charted:.4g}", view.rate_unit),
            )
        return say(
            "overinfusion.fast",
            "{drug}: running at {rate}{charted} where {due} is planned ({change}); {given}.",
            drug=drug, rate=amount(f"{course.rate:.4g}", view.rate_unit), charted=charted,
            due=amount(f"{course.rate / (1.0 + fast):.4g}", view.rate_unit), change=change(fast), given=so_far,
        )  # fmt: skip
    if beyond > little:
        return say(
            "overinfusion.beyond", "{drug}: {p} more than the planned course; {given}.",
            drug=drug, p=share(beyond), given=so_far,
        )  # fmt: skip
    running: str = "" if course.rate > 0 else say("overinfusion.not_running", "; not running")
    return say(
        "overinfusion.ahead", "{drug}: ahead of the plan by {p} of the course; {given}{running}.",
        drug=drug, p=share(ahead), given=so_far, running=running,
    )  # fmt: skip
