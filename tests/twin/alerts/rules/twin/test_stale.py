from __future__ import annotations

from tests.twin.alerts.rules.views import states, told
from twin.alerts.rules.twin.stale import RULE
from twin.alerts.snapshot import DeliveryView, Snapshot
from twin.clock import DAY_MS
from twin.events import Subject


def course(day: float, *, seen: float | None = None, since: float = 0.0) -> Snapshot:
    view = DeliveryView("docetaxel", 0.0, 100.0, round(since * DAY_MS), None)
    measured = None if seen is None else round(seen * DAY_MS)
    return Snapshot("P-1", round(day * DAY_MS), 500.0, measured, delivery=(view,))


def test_a_cycle_without_a_value_is_raised_from_when_it_was_too_long_and_a_value_clears() -> None:
    steps = [course(20), course(23), course(24, seen=24)]
    assert states(steps) == [(RULE, "start"), (RULE, "end")]
    (alert, _) = told(steps)
    assert (alert.subject, alert.onset_ms, alert.severity) == (Subject("drug", "docetaxel"), 21 * DAY_MS, "low")
    assert alert.text == "docetaxel: its course began 23 d ago; nothing measured ever."


def test_a_course_with_counts_is_no_alert_however_long_ago_they_are() -> None:
    assert states([course(day, seen=8) for day in (9, 21, 30, 41)]) == []


def test_a_new_course_after_the_last_value_counts_from_its_beginning_and_a_patient_who_left_is_forgotten() -> None:
    assert states([course(40, seen=8, since=21), course(43, seen=8, since=21)]) == [(RULE, "start")]
    assert states([course(43, seen=8, since=21), course(64, seen=8, since=21)]) == [(RULE, "start"), (RULE, "end")]
