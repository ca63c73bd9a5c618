"""A record at once: what is refused and what is held is told, each with its event."""

from __future__ import annotations

from tests.twin import toys
from tests.twin.bedside import cuff, dose, level, sample
from tests.twin.record.held.test_holding import OLD, enrolment
from twin.study.records import record_of

MODEL = toys.absorption()


def test_what_is_held_is_told_like_what_is_refused() -> None:
    events = [enrolment(), dose(1), level(3, -1.0), level(OLD, 1.0), sample(OLD, 40.0, "pump-2")]
    history, refused = record_of(events, MODEL)
    assert [bad.event_id for bad in refused] == [events[2].event_id, events[3].event_id, None]
    assert [bad.reason for bad in refused[1:]] == ["held", "held"]
    assert "more than half a year before the rest of the record" in refused[1].detail
    assert "1 reports of pump-2" in refused[2].detail
    assert [fact.event_id for _, fact in history.effective()] == ["enrolment 0", "dose 1"]


def test_readings_that_are_held_are_told_by_their_channel() -> None:
    history, refused = record_of([enrolment(), dose(1), cuff(2, 120.0), cuff(OLD, 90.0)], toys.pressure())
    assert [(bad.reason, bad.detail.split(" lie ")[0]) for bad in refused] == [("held", "1 readings of systolic_bp")]
    assert len(history.readings["systolic_bp"].times) == 2
