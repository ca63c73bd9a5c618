from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.worker.event_time_merge import (
    APART_MS,
    AT_ONCE,
    FULL,
    HISTORY_MS,
    IDLE_SECONDS,
    LATE_SECONDS,
    PATIENCE,
    PATIENCE_WITH_HISTORY,
    EventTimeMerge,
    Level,
    due_time,
)
from twin.clock import HOUR_MS
from twin.events import from_millis

PUMP, LABS = ("pump", 0), ("labs", 0)


@dataclass(frozen=True)
class FakeRecord:
    offset: int
    value: bytes | None
    timestamp: int = 10**15
    key: bytes = b"A"


def batch(times: Sequence[int], first: int = 0, key: bytes = b"A") -> list[FakeRecord]:
    """Events of a patient at these times, in ms since the epoch."""
    return [
        FakeRecord(first + number, b'{"kind":"clock","time":"%s"}' % from_millis(time).isoformat().encode(), key=key)
        for number, time in enumerate(times)
    ]


def release(
    merge: EventTimeMerge, wanted: Sequence[Any], end: Callable[[Any], int | None], fetching: float, now_ms: int = 0
) -> list[tuple[Any, Any]]:
    return merge.release(wanted, end, fetching, now_ms)


def times(released: list[tuple[Any, Any]]) -> list[int]:
    return [due_time(record) for _, record in released]


def test_a_record_is_due_at_its_event_time_but_not_after_its_own() -> None:
    assert due_time(FakeRecord(0, b'{"time":"1970-01-01T01:00:01+01:00"}', timestamp=5000)) == 1000
    assert due_time(FakeRecord(0, b'{"time":"1970-01-01T00:00:09Z"}', timestamp=5000)) == 5000


def test_a_record_that_no_twin_will_be_told_is_due_at_once() -> None:
    for value in (None, b"", b"{", b"7", b"{}", b'{"time":"soon"}', b"\xff", b'{"time":"1970-01-03T00:00:00Z"}'):
        assert due_time(FakeRecord(0, value, timestamp=5000)) == AT_ONCE
    deep = b'{"time":"1970-01-01T00:00:01Z","a":%s1%s}' % (b'{"a":' * 5000, b"}" * 5000)
    assert due_time(FakeRecord(0, deep, timestamp=5000)) == AT_ONCE


def started() -> EventTimeMerge:
    merge = EventTimeMerge()
    merge.start(PUMP, 0)
    merge.start(LABS, 0)
    return merge


def test_records_of_all_topics_come_in_order_of_event_time() -> None:
    merge = started()
    merge.add({PUMP: batch([1, 4, 5]), LABS: batch([2, 6])})
    ends = {PUMP: 3, LABS: 2}
    assert times(release(merge, [PUMP, LABS], ends.get, 0.0)) == [1, 2, 4, 5, 6]
    assert not merge.holding()


def test_a_sparse_topic_does_not_run_ahead_of_a_dense_one_that_is_behind() -> None:
    merge = started()
    ends = {PUMP: 4, LABS: 2}
    merge.add({PUMP: batch([1, 2]), LABS: batch([3, 90])})
    assert times(release(merge, [PUMP, LABS], ends.get, 0.0)) == [1, 2]
    merge.add({PUMP: batch([50, 60], first=2)})
    assert times(release(merge, [PUMP, LABS], ends.get, 0.1)) == [3, 50, 60, 90]


def test_a_bad_record_does_not_hold_up_the_good_ones_behind_it() -> None:
    merge = started()
    bad = FakeRecord(0, b"{")
    merge.add({PUMP: [bad, *batch([1, 4], first=1)], LABS: batch([2, 6])})
    released = release(merge, [PUMP, LABS], {PUMP: 3, LABS: 2}.get, 0.0)
    assert released[0] == (PUMP, bad)
    assert times(released[1:]) == [1, 2, 4, 6]


def test_a_topic_whose_end_is_not_known_yet_is_waited_for_but_not_for_ever() -> None:
    merge = started()
    merge.add({LABS: batch([3])})
    ends: dict[Any, int] = {LABS: 1}
    assert release(merge, [PUMP, LABS], ends.get, 10.0) == []
    assert release(merge, [PUMP, LABS], ends.get, 10.0 + PATIENCE / 2) == []
    assert times(release(merge, [PUMP, LABS], ends.get, 10.1 + PATIENCE)) == [3]


def test_history_waits_longer_for_a_topic_that_brings_nothing() -> None:
    merge, ends, today = started(), {PUMP: 9, LABS: 2}, 10**12
    merge.add({LABS: batch([today - HISTORY_MS, today])})
    for seconds in (0.0, PATIENCE + 1, PATIENCE_WITH_HISTORY - 1):
        assert release(merge, [PUMP, LABS], ends.get, seconds, today) == []
    assert len(release(merge, [PUMP, LABS], ends.get, PATIENCE_WITH_HISTORY, today)) == 2


def test_patience_begins_anew_when_the_topic_brings_something_and_is_once_for_all_that_follows() -> None:
    merge, ends = started(), {PUMP: 9, LABS: 9}
    merge.add({LABS: batch([50, 60])})
    assert release(merge, [PUMP, LABS], ends.get, 0.0) == []
    merge.add({PUMP: batch([10])})
    assert times(release(merge, [PUMP, LABS], ends.get, PATIENCE - 1)) == [10]
    assert release(merge, [PUMP, LABS], ends.get, 2 * PATIENCE - 1.1) == []
    assert times(release(merge, [PUMP, LABS], ends.get, 2 * PATIENCE - 1)) == [50, 60]
    merge.add({LABS: batch([70], first=2)})
    assert times(release(merge, [PUMP, LABS], ends.get, 2 * PATIENCE)) == [70], "the pump's leader is still away"


def test_what_no_twin_will_be_told_waits_for_nothing() -> None:
    merge, bad = started(), FakeRecord(0, b"{")
    merge.add({LABS: [bad, *batch([5], first=1)]})
    assert release(merge, [PUMP, LABS], {PUMP: 9, LABS: 2}.get, 0.0) == [(LABS, bad)]


def test_of_what_happened_at_the_same_time_a_reading_comes_last_and_an_enrolment_first() -> None:
    topics = [(f"prefix.{name}", 0) for name in ("iomt.vitals", "iomt.pump", "clinical.orders", "twin.commands")]
    merge = EventTimeMerge()
    for topic in topics:
        merge.start(topic, 0)
    merge.add({topic: batch([5]) for topic in topics})
    released = release(merge, topics, dict.fromkeys(topics, 1).get, 0.0)
    names = [where[0].removeprefix("prefix.") for where, _ in released]
    assert names == ["twin.commands", "clinical.orders", "iomt.pump", "iomt.vitals"]


def of(patient: bytes, released: list[tuple[Any, Any]]) -> list[int]:
    return times([one for one in released if one[1].key == patient])


@pytest.mark.parametrize("fetched", [1, 2, 40])
def test_years_of_one_patient_after_anothers_in_each_topic_are_in_order_for_each(fetched: int) -> None:
    years = range(HISTORY_MS, 20 * HISTORY_MS, HISTORY_MS)
    logs = {
        PUMP: [*batch(years), *batch(years, len(years), b"B")],
        LABS: [*batch(years[::5]), *batch(years[::5], len(years[::5]), b"B")],
    }
    merge, released = started(), list[tuple[Any, Any]]()
    for begin in range(0, 2 * len(years), fetched):
        merge.add({topic: log[begin : begin + fetched] for topic, log in logs.items()})
        released += release(merge, [PUMP, LABS], {topic: len(log) for topic, log in logs.items()}.get, 0.0)
    assert len(released) == sum(map(len, logs.values()))
    assert of(b"A", released) == of(b"B", released) == sorted([*years, *years[::5]])


def test_topics_that_tell_of_patients_in_opposite_order_are_released_all_the_same() -> None:
    merge = started()
    merge.add({PUMP: [*batch([5, 6]), *batch([1], 2, b"B")], LABS: [*batch([3, 4], 0, b"B"), *batch([2], 2)]})
    assert len(release(merge, [PUMP, LABS], {PUMP: 3, LABS: 3}.get, 0.0)) == 6


def test_nothing_waits_for_a_topic_that_is_read_to_its_end() -> None:
    merge = started()
    merge.add({LABS: batch([3])})
    assert times(release(merge, [PUMP, LABS], {PUMP: 0, LABS: 1}.get, 0.0)) == [3]


def test_partitions_of_other_numbers_are_other_patients_and_do_not_wait() -> None:
    merge = started()
    merge.start(("labs", 1), 0)
    merge.start(("pump", 1), 0)
    merge.add({LABS: batch([9]), ("labs", 1): batch([5])})
    ends = {PUMP: 7, LABS: 1, ("labs", 1): 1, ("pump", 1): 0}
    assert times(release(merge, [*ends], ends.get, 0.0)) == [5]


def test_what_was_held_before_a_seek_is_void() -> None:
    merge = started()
    ends = {PUMP: 9, LABS: 1}
    merge.add({LABS: batch([9])})
    merge.start(LABS, 0)
    assert not merge.holding()
    merge.add({LABS: batch([9])})
    merge.forget()
    assert release(merge, [PUMP, LABS], ends.get, 0.0) == []


def test_a_full_partition_is_named() -> None:
    merge = started()
    merge.add({LABS: batch(range(FULL))})
    assert merge.full() == {LABS}


@given(st.lists(st.integers(0, 50), max_size=30), st.lists(st.integers(0, 50), max_size=30), st.data())
@pytest.mark.slow
def test_however_it_is_fetched_all_comes_once_and_in_order(
    pump: list[int], labs: list[int], data: st.DataObject
) -> None:
    logs = {PUMP: batch(sorted(pump)), LABS: batch(sorted(labs))}
    ends = {partition: len(log) for partition, log in logs.items()}
    merge, place = started(), {PUMP: 0, LABS: 0}
    released: list[tuple[Any, Any]] = []
    while any(place[partition] < ends[partition] for partition in logs):
        for partition, log in logs.items():
            count = data.draw(st.integers(0, 5))
            merge.add({partition: log[place[partition] : place[partition] + count]})
            place[partition] = min(place[partition] + count, ends[partition])
        released.extend(release(merge, [PUMP, LABS], ends.get, 0.0))
    assert times(released) == sorted(pump + labs)
    for partition, log in logs.items():
        assert [record for where, record in released if where == partition] == log


# --- level -----------------------------------------------------------------------------------------------------------


def test_topics_are_level_when_their_newest_events_are_of_about_the_same_time() -> None:
    level = Level({"vitals"}, now=0.0)
    level.read("vitals", 5 * HOUR_MS, now=1.0)
    level.read("orders", 5 * HOUR_MS + APART_MS, now=1.0)
    assert level.holds(now=1.0)
    level.read("orders", 5 * HOUR_MS + APART_MS + 1, now=1.1)
    assert not level.holds(now=1.1)
    level.read("vitals", 6 * HOUR_MS, now=1.2)
    assert level.holds(now=1.2)


def test_a_topic_that_brings_nothing_more_holds_up_nothing() -> None:
    level = Level({"vitals", "pump"}, now=0.0)
    level.read("vitals", HOUR_MS, now=1.0)
    assert not level.holds(now=IDLE_SECONDS - 0.1)
    assert level.holds(now=IDLE_SECONDS), "the pump's topic has been silent since the beginning"


def test_a_source_that_is_always_late_does_not_hold_up_for_ever() -> None:
    level = Level({"vitals"}, now=0.0)
    for second in range(1, int(LATE_SECONDS) + 1):
        level.read("orders", second * 60_000 + HOUR_MS, now=float(second))
        level.read("vitals", second * 60_000, now=float(second))
        assert level.holds(now=float(second)) is (second >= LATE_SECONDS)


def test_what_comes_late_does_not_set_a_topic_back() -> None:
    level = Level({"vitals"}, now=0.0)
    level.read("vitals", 2 * HOUR_MS, now=1.0)
    level.read("vitals", HOUR_MS, now=1.1)
    assert level.holds(now=1.1)
