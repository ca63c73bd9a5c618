"""When an NM-TRAN record happened: elapsed time, clock times and dates.

As NM-TRAN's day-time translation has it (NONMEM Help, "TIME data item" and "DATE data item"; Guide IV, II.C.2):

- Where no TIME of the file has a colon and there is no date, TIME is elapsed in the model's unit, from `ORIGIN`.
- Where any TIME has a colon, or there is a date, every TIME is a clock time in hours: ``14:45`` and ``14.75`` are the
  same. (NM-TRAN takes whole minutes; seconds, ``14:45:30``, are understood here.) A TIME without a colon that is
  hardly meant as hours, ``0830`` or, beside a date, 48 and more, is refused with both readings named.
- The name of the date column gives its order: DATE month day year, DAT1 day month year, DAT2 year month day, DAT3 year
  day month, between any characters that are no digits. One number alone is a day, which may be 0 or negative; two are
  month and day in that order. A year of one or two digits is 20xx up to 50, else 19xx (LAST20=50). Where one number
  alone lies more than `LONGEST_YEARS` ahead, all such numbers are days as Excel counts them (1 is 1 January 1900).

NM-TRAN makes the first record of an individual time 0. Here an event keeps its own moment, so that what depends on the
time of day can; without a year, day 1 is that of `ORIGIN`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord, NmtranError
from connectors.feeds.nmtran.unused import WHAT

ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)
"""The moment that ``TIME`` 0 stands for where records carry no dates."""

DATES = {"DATE": ("month", "day", "year"), "DAT1": ("day", "month", "year"), "DAT2": ("year", "month", "day"),
         "DAT3": ("year", "day", "month")}  # fmt: skip
"""Date items and the order of their parts."""

LAST_20 = 50
"""Years of two digits up to this are 20xx."""

LONGEST_YEARS = 100

EXCEL_DAY_1 = date(1899, 12, 31)
"""Day 0 of Excel's count, of which day 60 is 29 February 1900, a day that never was."""

_DAY_NUMBER = re.compile(r"[+-]?\d{1,5}(\.0*)?")
_FOUR_DIGITS = re.compile(r"0\d{2,3}")
_CLOCK = re.compile(r"([+-]?)(\d{1,4}):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?")


def place_in_time(
    records: Sequence[DataRecord], unit_hours: float, bad_lines: list[BadLine], notes: Counter[str]
) -> tuple[list[DataRecord], bool]:
    """Set the ``hours`` of every record since `ORIGIN`; those without a usable time go to ``bad_lines``.

    Args:
        records: of the whole file, in line order, with their patients.
        unit_hours: hours in the unit of elapsed TIME.

    Returns:
        The records that have a time, and whether TIME is a clock time.

    Raises:
        NmtranError: more than one date column.
    """
    dated = [item for item in DATES if records and records[0].has(item)]
    if len(dated) > 1:
        raise NmtranError(f"columns {' and '.join(dated)} are both dates; keep one")
    clock = bool(dated) or any(":" in (record.text("TIME") or "") for record in records)
    excel = bool(dated) and any(_is_excels(record.text(dated[0])) for record in records)
    if excel:
        notes[f"{dated[0]} was read as days that Excel counts from 1900"] += 1
    if clock and unit_hours != 1.0:
        notes["TIME is clock time, so lengths of time (II, DUR, RATE) were read in hours"] += 1
    placed: list[DataRecord] = []
    for record in records:
        try:
            if not clock:
                record.hours = elapsed(record) * unit_hours
            elif dated:
                day = day_of(record.text(dated[0]), dated[0], excel=excel)
                record.hours = day * 24.0 + _time_of_day(record, dated=True, excel=excel)
            else:
                record.hours = _time_of_day(record, dated=False)
            if abs(record.hours) > LONGEST_YEARS * 8766:
                raise BadRecord(f"TIME {record.text('TIME')} is more than {LONGEST_YEARS} years from 0")
        except BadRecord as error:
            bad_lines.append(BadLine(record.line, str(error), patient=record.patient, what=WHAT[record.evid]))
            continue
        placed.append(record)
    return placed, clock


def elapsed(record: DataRecord) -> float:
    """TIME as a number."""
    time = record.number("TIME")
    if time is None:
        raise BadRecord("TIME is missing")
    return time


def _time_of_day(record: DataRecord, *, dated: bool, excel: bool = False) -> float:
    """TIME as a clock time in hours.

    Raises:
        BadRecord: it has no colon and is hardly meant as hours.
    """
    cell = record.text("TIME") or ""
    hours = clock_hours(record, "TIME")
    if excel and ":" not in cell and hours % 1.0 and hours < 1.0:
        minutes = round(hours * 1440)
        shown = f"{minutes // 60:02}:{minutes % 60:02}"
        raise BadRecord(
            f"TIME {cell} beside a day of Excel's is {hours:g} hours or, as Excel has it, {shown}; write {shown}"
        )
    if ":" not in cell and (_FOUR_DIGITS.fullmatch(cell) or (dated and abs(hours) >= 48.0)):
        beside = "beside a date" if dated else "beside clock times"
        digits = cell.zfill(4)
        if len(digits) == 4 and digits.isdecimal() and int(digits[2:]) < 60:
            write = f"write {digits[:2]}:{digits[2:]} for that clock time, or leave the date out for elapsed hours"
            raise BadRecord(f"TIME {cell} {beside} is {hours:g} hours or {digits[:2]}:{digits[2:]} o'clock; {write}")
        raise BadRecord(f"TIME {cell} {beside} is {hours:g} hours; write the clock time, or leave the date out")
    return hours


def clock_hours(record: DataRecord, item: str) -> float:
    """Hours of a clock time ``hh:mm`` or ``hh.fr``."""
    cell = record.text(item)
    if cell is None:
        raise BadRecord(f"{item} is missing")
    if ":" not in cell:
        return record.number(item) or 0.0
    found = _CLOCK.fullmatch(cell)
    if not found or int(found[3]) > 59 or float(found[4] or 0) >= 60:
        raise BadRecord(f"{item} {cell!r} is no clock time; write it as 14:45")
    hours = int(found[2]) + int(found[3]) / 60 + float(found[4] or 0) / 3600
    return -hours if found[1] == "-" else hours


def _is_excels(cell: str | None) -> bool:
    """Whether a number alone under a date would lie too far ahead for a count of days of a study."""
    return cell is not None and bool(_DAY_NUMBER.fullmatch(cell)) and float(cell) * 24.0 > LONGEST_YEARS * 8766


def day_of(cell: str | None, item: str, *, excel: bool = False) -> float:
    """Days from that of `ORIGIN` to a date under the column ``item``; a number alone may be ``excel``'s count."""
    if cell is None:
        raise BadRecord(f"{item} is missing")
    if _DAY_NUMBER.fullmatch(cell):
        return float(cell) - (float((ORIGIN.date() - EXCEL_DAY_1).days) + 1.0 if excel else 1.0)
    parts = re.split(r"\D+", cell)
    order = [name for name in DATES[item] if len(parts) == 3 or name != "year"]
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise BadRecord(f"{item} {cell!r} is no date; write {' '.join(DATES[item])}, as {_example(item)}")
    said = {name: int(part) for name, part in zip(order, parts, strict=True)}
    year = said.get("year", ORIGIN.year)
    if year < 100:
        year += 2000 if year <= LAST_20 else 1900
    try:
        found = date(year, said["month"], said["day"])
    except ValueError as error:
        raise BadRecord(f"{item} {cell!r} is no date in the order {' '.join(order)}: {error}") from None
    return (found - ORIGIN.date()) / timedelta(days=1)


def _example(item: str) -> str:
    parts = {"month": "12", "day": "31", "year": "2025"}
    return "-".join(parts[name] for name in DATES[item])
