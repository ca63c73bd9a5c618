"""Which planned course a delivery belongs to, and what the plan asks for at this point of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.alerts.rules.views import CYCLE, FOLFOX, later
from twin.alerts.conditions.planned_course import COURSE_GAP_MS, GRACE_MS, JUDGED_MS, PlannedCourse, current_course
from twin.alerts.snapshot import DeliveryView
from twin.clock import HOUR_MS
from twin.record.orders import PlanStep

PLAN = (*FOLFOX, *(later(step, CYCLE) for step in FOLFOX))
END = FOLFOX[-1].end_ms


def view(since_ms: int | None, *, rate: float = 0.0, delivered: float = 100.0, plan: object = PLAN) -> DeliveryView:
    return DeliveryView("fluorouracil", rate, delivered, since_ms, since_ms, plan)  # type: ignore[arg-type]


def test_planned_amount_is_that_of_the_bolus_and_the_infusion_so_far() -> None:
    course = PlannedCourse(FOLFOX, 0.0, 0.0, started=False)
    assert course.total == 5040
    assert course.planned_by(-1) == 0.0
    assert course.planned_by(HOUR_MS // 8) == pytest.approx(360)
    assert course.planned_by(HOUR_MS // 4 + 23 * HOUR_MS) == pytest.approx(720 + 2160)
    assert course.planned_by(END + 1) == 5040


def test_a_dose_at_once_is_planned_from_its_moment_on() -> None:
    course = PlannedCourse((PlanStep(50, 50, 100.0),), 0.0, 0.0, started=False)
    assert [course.planned_by(millis) for millis in (0, 49, 50, 51)] == [0, 0, 100, 100]
    assert course.rate_after(0.0) == math.inf
    assert course.rate_after(100.0) is None


def test_the_rate_follows_the_amount_not_the_clock() -> None:
    course = PlannedCourse(FOLFOX, 0.0, 0.0, started=True)
    assert course.rate_after(0.0) == pytest.approx(2880)
    assert course.rate_after(719.9) == pytest.approx(2880)
    assert course.rate_after(720.0) == pytest.approx(4320 / 46)
    assert course.rate_after(5040.0) is None
    assert course.rates_around(700.0) == pytest.approx((2880, 4320 / 46))
    assert course.rates_around(600.0) == ()


@given(st.integers(-10 * HOUR_MS, END + 10 * HOUR_MS), st.integers(0, HOUR_MS))
def test_planned_amount_never_falls_and_never_passes_the_total(millis: int, more: int) -> None:
    course = PlannedCourse(FOLFOX, 0.0, 0.0, started=True)
    assert 0.0 <= course.planned_by(millis) <= course.planned_by(millis + more) <= course.total + 1e-9


def test_a_delivery_belongs_to_the_course_that_starts_nearest() -> None:
    first = current_course(view(3 * HOUR_MS), 5 * HOUR_MS)
    assert first is not None
    assert (first.steps, first.started, first.delivered) == (FOLFOX, True, 100.0)
    second = current_course(view(CYCLE - 24 * HOUR_MS), CYCLE - 23 * HOUR_MS)
    assert second is not None
    assert second.steps == PLAN[2:]


def test_a_due_course_takes_over_from_the_finished_one_as_not_started() -> None:
    late = current_course(view(0, delivered=5040.0, rate=0.0), CYCLE + GRACE_MS)
    assert late is not None
    assert (late.steps, late.started, late.delivered) == (PLAN[2:], False, 0.0)


def test_before_anything_is_due_or_without_a_plan_there_is_no_course() -> None:
    assert current_course(view(None), GRACE_MS - 1) is None
    assert current_course(view(None), GRACE_MS) is not None
    assert current_course(view(0, plan=()), HOUR_MS) is None


def test_a_course_is_judged_for_a_while_after_its_end_and_as_long_as_something_runs() -> None:
    assert current_course(view(0), END + JUDGED_MS) is not None
    assert current_course(view(0), END + JUDGED_MS + 1) is None
    assert current_course(view(0, rate=5.0), END + JUDGED_MS + 1) is not None


def test_doses_closer_than_the_gap_are_one_course_in_any_order() -> None:
    near = (PlanStep(0, 0, 1.0), PlanStep(COURSE_GAP_MS, COURSE_GAP_MS, 2.0))
    together = current_course(view(0, plan=near[::-1]), 0)
    assert together is not None
    assert together.total == 3.0
    apart = (near[0], PlanStep(COURSE_GAP_MS + 1, COURSE_GAP_MS + 1, 2.0))
    alone = current_course(view(0, plan=apart), 0)
    assert alone is not None
    assert alone.total == 1.0
