"""Quiet hours follow the clock on the wall, also where it changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sinks.telling.quiet_hours import QuietHours, zone_named

NIGHT = QuietHours.of("22:00-07:00", "Europe/Berlin")


def utc(*parts: int) -> datetime:
    return datetime(2026, *parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        (utc(1, 5, 20, 59), None),
        (utc(1, 5, 21, 0), utc(1, 6, 6, 0)),
        (utc(1, 6, 5, 59), utc(1, 6, 6, 0)),
        (utc(1, 6, 6, 0), None),
        (utc(3, 28, 23, 0), utc(3, 29, 5, 0)),  # the clock is put forward in this night
        (utc(10, 24, 23, 0), utc(10, 25, 6, 0)),  # and back in this
    ],
)
def test_a_night_ends_on_the_morning_after(moment: datetime, end: datetime | None) -> None:
    assert NIGHT.until(moment) == end


def test_hours_of_one_day_are_of_that_day() -> None:
    noon = QuietHours.of("12:00-13:30", "UTC")
    assert [noon.until(utc(1, 5, hour)) for hour in (11, 12, 14)] == [None, utc(1, 5, 13, 30), None]


@given(st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)))
def test_the_end_comes_within_a_day_and_is_not_quiet_itself(moment: datetime) -> None:
    end = NIGHT.until(moment)
    if end is not None:
        assert 0 < (end - moment).total_seconds() <= 10 * 3600
        assert NIGHT.until(end) is None


@pytest.mark.parametrize("span", ["", "22-7", "24:00-07:00", "22:00-22:00", "22:00 - 07:00"])
def test_hours_that_are_none_are_refused(span: str) -> None:
    with pytest.raises(ValueError, match="write hours as 22:00-07:00"):
        QuietHours.of(span, "UTC")


@pytest.mark.parametrize("name", ["Berlin", "../../etc/passwd", "/etc/passwd", ""])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="write one of the IANA, as Europe/Berlin"):
        zone_named(name)
