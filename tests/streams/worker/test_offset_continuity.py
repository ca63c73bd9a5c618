from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.worker.offset_continuity import REWIND_PATIENCE, Continuity, Verdict

TP = ("topic", 0)


def test_records_in_order_are_next() -> None:
    continuity = Continuity()
    continuity.start(TP, 5)
    assert [continuity.check(TP, offset, 0.0) for offset in (5, 6, 7)] == [Verdict.NEXT] * 3
    assert continuity.expected(TP) == 8


def test_a_record_seen_already_is_a_repeat() -> None:
    continuity = Continuity()
    continuity.start(TP, 5)
    continuity.check(TP, 5, 0.0)
    assert continuity.check(TP, 5, 0.0) is Verdict.REPEAT
    assert continuity.check(TP, 3, 0.0) is Verdict.REPEAT


def test_a_record_of_a_foreign_partition_is_passed_over() -> None:
    assert Continuity().check(TP, 0, 0.0) is Verdict.REPEAT


def test_a_missing_record_is_noticed_and_nothing_is_taken_until_it_comes() -> None:
    continuity = Continuity()
    continuity.start(TP, 0)
    verdicts = [continuity.check(TP, offset, 0.0) for offset in (0, 3, 4, 5, 1, 2, 3)]
    assert verdicts == [Verdict.NEXT, Verdict.MISSING, Verdict.WAITING, Verdict.WAITING, *[Verdict.NEXT] * 3]
    assert (continuity.gaps, continuity.holes) == (1, 0)


def test_a_hole_in_the_log_is_accepted_when_two_rewinds_show_it() -> None:
    continuity = Continuity()
    continuity.start(TP, 0)
    verdicts = [continuity.check(TP, offset, 0.0) for offset in (2, 3, 4, 2, 3, 2, 3)]
    missing, waiting = Verdict.MISSING, Verdict.WAITING
    assert verdicts == [missing, waiting, waiting, missing, waiting, Verdict.NEXT, Verdict.NEXT]
    assert continuity.holes == 1


def test_a_delivery_that_begins_too_late_once_is_no_hole() -> None:
    continuity = Continuity()
    continuity.start(TP, 0)
    verdicts = [continuity.check(TP, offset, 0.0) for offset in (5, 6, 6, 0, 1)]
    assert verdicts == [Verdict.MISSING, Verdict.WAITING, Verdict.MISSING, Verdict.NEXT, Verdict.NEXT]
    assert continuity.holes == 0


def test_a_rewind_that_brings_nothing_is_due_again() -> None:
    continuity = Continuity()
    continuity.start(TP, 0)
    continuity.check(TP, 2, now=10.0)
    assert continuity.overdue(10.0 + REWIND_PATIENCE / 2) == []
    assert continuity.overdue(10.1 + REWIND_PATIENCE) == [TP]
    assert continuity.overdue(10.2 + REWIND_PATIENCE) == []
    continuity.check(TP, 0, now=13.0)
    assert continuity.overdue(100.0) == []


@given(st.sets(st.integers(0, 60), min_size=1), st.lists(st.integers(1, 9), max_size=2), st.data())
def test_whatever_is_dropped_or_repeated_each_existing_record_is_taken_once_in_order(
    log: set[int], drops: list[int], data: st.DataObject
) -> None:
    """A consumer that drops some records, perhaps again after the rewind, and delivers a stale tail before it obeys."""
    continuity = Continuity()
    continuity.start(TP, 0)
    records = sorted(log)
    taken: list[int] = []
    place = 0
    while continuity.expected(TP) <= records[-1]:
        if place >= len(records):
            assert continuity.overdue(1e9) == [TP]
            place = _seek(records, continuity.expected(TP))
        if drops and data.draw(st.booleans()):
            place = min(place + drops.pop(), len(records) - 1)
        verdict = continuity.check(TP, records[place], 0.0)
        if verdict is Verdict.NEXT:
            taken.append(records[place])
        place += 1
        if verdict is Verdict.MISSING:
            for stale in records[place : place + data.draw(st.integers(0, 3))]:
                assert continuity.check(TP, stale, 0.0) is Verdict.WAITING
            place = _seek(records, continuity.expected(TP))
    assert taken == records


def _seek(records: list[int], expected: int) -> int:
    return next(number for number, offset in enumerate(records) if offset >= expected)
