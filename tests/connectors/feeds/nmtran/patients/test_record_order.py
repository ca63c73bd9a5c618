"""The order of a file's records: their places at one time, time that goes back, and files put together."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord
from connectors.feeds.nmtran.patients.record_order import RecordOrder, levels_above_steady, merged
from tests.twin.bedside import dose, level, quantity
from twin.clock import HOUR_MS


def record(line: int, hours: float, evid: int = 0, patient: str = "1", file: str | None = None) -> DataRecord:
    found = DataRecord(line, [f"{hours:g}"], {"TIME": 0})
    found.hours, found.evid, found.patient = hours, evid, patient
    found.file = None if file is None else Path(file)
    return found


def placed(*records: DataRecord) -> list[int]:
    order = RecordOrder(False, Counter())
    for each in records:
        order.place(each)
    return [each.sequence for each in records]


def test_records_of_one_time_are_counted_for_each_patient() -> None:
    assert placed(record(2, 0), record(3, 0), record(4, 0, patient="2"), record(5, 1), record(6, 1)) == [1, 2, 1, 1, 2]


def test_a_time_that_goes_back_is_refused_and_leaves_the_order_as_it_was() -> None:
    order = RecordOrder(False, Counter())
    order.place(record(2, 5))
    with pytest.raises(BadRecord, match="TIME 3 is before 5 at line 2; sort the patient's records by TIME"):
        order.place(record(3, 3))
    order.place(record(4, 5, patient="2"))
    order.place(later := record(5, 5))
    assert later.sequence == 2


def test_a_time_that_begins_anew_with_a_reset_is_moved_behind_what_was_before() -> None:
    notes = Counter[str]()
    order = RecordOrder(False, notes)
    records = [
        record(2, 5),
        record(3, 0, evid=4),
        record(4, 9),
        record(5, 0, evid=4),
        record(6, 1),
        record(7, 3, patient="2"),
    ]
    for each in records:
        order.place(each)
    assert [each.hours for each in records] == [5, 6, 15, 16, 17, 3]
    assert [each.millis for each in records] == [each.hours * HOUR_MS for each in records]
    assert [(said[:28], count) for said, count in notes.items()] == [("TIME begins anew with a rese", 2)]


def test_of_a_reset_clock_times_that_go_back_are_refused() -> None:
    order = RecordOrder(True, Counter())
    order.place(record(2, 5))
    with pytest.raises(BadRecord, match="TIME 0 is before 5 at line 2"):
        order.place(record(3, 0, evid=4))


def test_records_of_several_files_are_of_one_order_by_time_and_then_by_file() -> None:
    first = [record(2, 0, file="a"), record(3, 24, file="a")]
    second = [record(2, 0, file="b"), record(3, 12, file="b")]
    placed(*first)
    placed(*second)
    together = merged([*first, *second])
    assert [(each.place, each.sequence) for each in together] == [
        ("line 2 of a", 1),
        ("line 2 of b", 2),
        ("line 3 of b", 1),
        ("line 3 of a", 1),
    ]


def test_values_above_a_steady_state_of_their_time_are_counted() -> None:
    steady = dose(0, steady_every=quantity(24, "h"), sequence=2)
    assert levels_above_steady([level(0, 1.0, sequence=1), steady, level(0, 1.0, sequence=3), level(1, 1.0)]) == 1
    assert levels_above_steady([level(0, 1.0, sequence=1), dose(0, sequence=2)]) == 0
