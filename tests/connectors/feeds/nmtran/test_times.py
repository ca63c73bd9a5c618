"""When a record happened: the examples of NONMEM's help, and what is no time."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord, NmtranError, read_records
from connectors.feeds.nmtran.times import ORIGIN, day_of, place_in_time

NOTES: Counter[str] = Counter()


def placed(header: str, *rows: str, unit_hours: float = 1.0) -> tuple[list[DataRecord], list[BadLine]]:
    bad: list[BadLine] = []
    records = list(read_records([header + ",DV", *(f"{row},1" for row in rows)], (), {}, bad, Counter()))
    for record in records:
        record.patient = record.text("ID") or ""
    found, _ = place_in_time(records, unit_hours, bad, NOTES)
    return found, bad


def hours(header: str, *rows: str, unit_hours: float = 1.0) -> list[float]:
    found, bad = placed(header, *rows, unit_hours=unit_hours)
    assert not bad
    return [round(record.hours, 9) for record in found]


def reason(header: str, *rows: str) -> str:
    _, (bad,) = placed(header, *rows)
    return str(bad)


def test_elapsed_time_counts_in_the_models_unit() -> None:
    assert hours("ID,TIME", "1,0", "1,1.5", "1,-1") == [0, 1.5, -1]
    assert hours("ID,TIME", "1,0", "1,1.5", unit_hours=24.0) == [0, 36]


def test_one_colon_makes_every_time_a_clock_time_in_hours() -> None:
    found = hours("ID,TIME", "1,8:00", "1,14:45", "1,14.75", unit_hours=24.0)
    assert [round(at - found[0], 9) for at in found] == [0, 6.75, 6.75]
    assert hours("ID,TIME", "1,-1:30", "1,0:00:36") == [-1.5, 0.01]


def test_dates_are_those_of_nonmems_help() -> None:
    found = hours("ID,DATE,TIME", "1,10-1-86,9:15", "1,10-1-86,14:40", "1,10-2-86,8:30")
    assert [round(at - found[0], 4) for at in found] == [0, 5.4167, 23.25]
    first, second = hours("ID,DATE,TIME", "2,10-12,8", "2,10-14,10")
    assert second - first == 50


@pytest.mark.parametrize(
    ("item", "cell"), [("DATE", "3/12/2024"), ("DAT1", "12.03.24"), ("DAT2", "2024-3-12"), ("DAT3", "24-12-3")]
)
def test_the_name_of_the_column_is_the_order_of_the_date(item: str, cell: str) -> None:
    assert timedelta(days=day_of(cell, item)) == date(2024, 3, 12) - ORIGIN.date()


def test_years_of_two_digits_are_of_this_century_up_to_50() -> None:
    apart = [timedelta(days=day_of(f"1/1/{year}", "DATE")) + ORIGIN.date() for year in ("50", "51", "86")]
    assert [moment.year for moment in apart] == [2050, 1951, 1986]


def test_one_number_is_a_day_and_may_be_0_or_negative() -> None:
    assert hours("ID,DATE,TIME", "1,1,0", "1,2,6", "1,0,12", "1,-1,0") == [0, 30, -12, -48]


@given(st.dates(min_value=date(1960, 1, 1), max_value=date(2049, 12, 31)))
def test_every_date_is_read_back_in_every_order(day: date) -> None:
    parts = {"year": day.year, "month": day.month, "day": day.day}
    for item, order in {"DATE": "month day year", "DAT1": "day month year", "DAT2": "year month day"}.items():
        cell = "/".join(str(parts[name]) for name in order.split())
        assert timedelta(days=day_of(cell, item)) == day - ORIGIN.date()


@pytest.mark.parametrize(
    ("item", "cell", "says"),
    [
        ("DATE", "2024-03-12", "month must be in 1..12"),
        ("DATE", "2/30/2024", "DATE '2/30/2024' is no date in the order month day year"),
        ("DAT1", "tomorrow", "DAT1 'tomorrow' is no date; write day month year, as 31-12-2025"),
        ("DAT2", "1-2-3-4", "is no date; write year month day, as 2025-12-31"),
        ("DAT2", "2024--2", "is no date"),
        ("DATE", None, "DATE is missing"),
    ],
)
def test_what_is_no_date_is_refused(item: str, cell: str | None, says: str) -> None:
    with pytest.raises(BadRecord, match=says.replace("(", r"\(")):
        day_of(cell, item)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (("1,.",), "TIME is missing"),
        (("1,8:00", "1,9:61"), "line 3: TIME '9:61' is no clock time; write it as 14:45"),
        (("1,8:00", "1,noon"), "line 3: TIME 'noon' is not a finite number"),
        (("1,8:00", "1,9:00:75"), "line 3: TIME '9:00:75' is no clock time"),
        (("1,1e9",), "more than 100 years from 0"),
    ],
)
def test_what_is_no_time_is_refused_with_its_line(rows: tuple[str, ...], says: str) -> None:
    assert says in reason("ID,TIME", *rows)


def test_clock_times_of_another_patient_may_be_earlier() -> None:
    assert hours("ID,TIME", "1,23:00", "2,1:30") == [23, 1.5]


def test_two_date_columns_are_refused() -> None:
    with pytest.raises(NmtranError, match="columns DATE and DAT1 are both dates; keep one"):
        placed("ID,DATE,DAT1,TIME", "1,1,1,0")


@pytest.mark.parametrize(
    ("header", "row", "says"),
    [
        ("ID,DATE,TIME", "1,3/12/2024,0830", "TIME 0830 beside a date is 830 hours or 08:30 o'clock; write 08:30"),
        ("ID,DATE,TIME", "1,3/12/2024,830", "TIME 830 beside a date is 830 hours or 08:30 o'clock; write 08:30"),
        ("ID,DATE,TIME", "1,3/12/2024,0030", "TIME 0030 beside a date is 30 hours or 00:30 o'clock"),
        ("ID,DATE,TIME", "1,3/12/2024,1475", "TIME 1475 beside a date is 1475 hours; write the clock time"),
        ("ID,DATE,TIME", "1,3/12/2024,48.5", "TIME 48.5 beside a date is 48.5 hours; write the clock time"),
        ("ID,DATE,TIME", "1,45363,0.354167", "0.354167 hours or, as Excel has it, 08:30; write 08:30"),
        ("ID,TIME", "1,0830", "TIME 0830 beside clock times is 830 hours or 08:30 o'clock"),
    ],
)
def test_a_time_without_a_colon_that_is_hardly_hours_is_refused_with_both_readings(
    header: str, row: str, says: str
) -> None:
    rows = [row] if "DATE" in header else ["1,0:00", row]
    assert says in reason(header, *rows)


def test_hours_of_the_day_need_no_colon() -> None:
    first, second, third = hours("ID,DATE,TIME", "1,3/12/2024,8", "1,3/12/2024,14.75", "1,3/12/2024,47")
    assert (second - first, third - first) == (6.75, 39)
    assert hours("ID,TIME", "1,0:00", "1,52.5") == [0, 52.5]


def test_a_date_that_is_a_number_of_excels_is_its_day() -> None:
    NOTES.clear()
    first, second = hours("ID,DATE,TIME", "1,45363,8:00", "1,36000,13:00")
    assert timedelta(hours=first - 8) == date(2024, 3, 12) - ORIGIN.date()
    assert timedelta(hours=second - 13) == date(1998, 7, 24) - ORIGIN.date()
    assert list(NOTES) == ["DATE was read as days that Excel counts from 1900"]
    assert hours("ID,DATE,TIME", "1,36000,13:00") == [35999 * 24 + 13]


def test_hours_beside_clock_times_are_noted_where_the_model_counts_otherwise() -> None:
    NOTES.clear()
    hours("ID,TIME", "1,8:00", unit_hours=24.0)
    assert list(NOTES) == ["TIME is clock time, so lengths of time (II, DUR, RATE) were read in hours"]
