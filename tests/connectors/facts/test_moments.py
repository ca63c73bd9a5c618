"""When a fact was: an instant, or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facts.fact import Moment, NotAFact, Resolution
from connectors.facts.moments import DAY_SD_HOURS, instant, later
from tests.connectors.facts.sources import ZONE


def test_an_offset_makes_an_instant() -> None:
    west = datetime(2026, 3, 2, 9, 0, tzinfo=timezone(timedelta(hours=-6)))
    assert instant(Moment(west), None) == (datetime(2026, 3, 2, 15, 0, tzinfo=UTC), None)


def test_a_time_without_an_offset_needs_the_zone_of_its_source() -> None:
    naive = Moment(datetime(2026, 7, 1, 12, 0))
    assert instant(naive, ZONE)[0] == datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    with pytest.raises(NotAFact, match="time_without_zone"):
        instant(naive, None)


@pytest.mark.parametrize(("hour", "month", "day", "word"), [(2, 10, 25, "twice"), (2, 3, 29, "never")])
def test_an_hour_that_the_clocks_showed_twice_or_never_is_refused(hour: int, month: int, day: int, word: str) -> None:
    with pytest.raises(NotAFact, match=f"time_without_zone.*{word}"):
        instant(Moment(datetime(2026, month, day, hour, 30)), ZONE)


def test_no_time_and_a_coarse_one_are_refused() -> None:
    with pytest.raises(NotAFact, match="no_time"):
        instant(None, ZONE, days=True)
    resolutions: tuple[Resolution, ...] = ("day", "month", "year")
    for resolution in resolutions:
        with pytest.raises(NotAFact, match="time_too_coarse"):
            instant(Moment(datetime(2026, 3, 2), resolution), ZONE)
    with pytest.raises(NotAFact, match="time_too_coarse"):
        instant(Moment(datetime(2026, 3, 1), "month"), ZONE, days=True)


def test_a_date_is_noon_and_uncertain_where_dates_will_do() -> None:
    day = Moment(datetime(2026, 3, 2), "day")
    assert instant(day, ZONE, days=True) == (datetime(2026, 3, 2, 11, 0, tzinfo=UTC), DAY_SD_HOURS)
    with pytest.raises(NotAFact, match="time_without_zone"):
        instant(day, None, days=True)


@given(
    st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1)), st.sampled_from(["Europe/Berlin", "Asia/Kolkata", "UTC"])
)
def test_an_instant_is_shown_by_the_clocks_of_its_zone_as_it_was_written(at: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    shown, reason = at, ""
    try:
        shown = instant(Moment(at), zone)[0].astimezone(zone).replace(tzinfo=None)
    except NotAFact as error:
        reason = error.reason
    assert shown == at
    assert reason in ("", "time_without_zone")


def test_later_is_as_coarse_and_never_beyond_what_clocks_show() -> None:
    moved = later(Moment(datetime(2026, 3, 2), "day"), timedelta(days=1))
    assert moved == Moment(datetime(2026, 3, 3), "day")
    for by in (timedelta(days=400_000), timedelta(days=4_000_000)):
        with pytest.raises(NotAFact, match="malformed"):
            later(moved, by)
