"""Event time is the same number whatever its offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from twin.events import from_millis, to_millis

HALF = timedelta(microseconds=500)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)), st.integers(-14, 14))
def test_millis_are_independent_of_the_offset(naive: datetime, hours: int) -> None:
    time = naive.replace(tzinfo=UTC)
    elsewhere = time.astimezone(timezone(timedelta(hours=hours)))
    assert to_millis(elsewhere) == to_millis(time) == to_millis(time)
    assert abs(timedelta(milliseconds=to_millis(time)) - (time - datetime(1970, 1, 1, tzinfo=UTC))) <= HALF
    assert abs(from_millis(to_millis(time)) - time) <= timedelta(milliseconds=1)


@given(st.integers(-2_000_000_000_000, 7_000_000_000_000))
def test_millis_survive_the_way_through_a_datetime(millis: int) -> None:
    assert to_millis(from_millis(millis)) == millis
