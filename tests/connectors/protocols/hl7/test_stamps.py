"""Times of HL7: as precise as they were written, with the offset that they or their message have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facts.fact import Moment, NotAFact
from connectors.protocols.hl7.stamps import moment, offset, stamp_of

EAST = timezone(timedelta(hours=7))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("20260302093015+0700", datetime(2026, 3, 2, 9, 30, 15, tzinfo=EAST)),
        ("202603020930+0700", datetime(2026, 3, 2, 9, 30, tzinfo=EAST)),
        ("20260302093015.1234+0700", datetime(2026, 3, 2, 9, 30, 15, 123400, tzinfo=EAST)),
        ("202603020930155+0700", datetime(2026, 3, 2, 9, 30, 15, 500000, tzinfo=EAST)),
        ("20260302093015-0000", datetime(2026, 3, 2, 9, 30, 15, tzinfo=UTC)),
        ("20260302093060+0700", datetime(2026, 3, 2, 9, 31, tzinfo=EAST)),
        (" 20260302093015+0700^20260302100000+0700", datetime(2026, 3, 2, 9, 30, 15, tzinfo=EAST)),
        ("20260302093015", datetime(2026, 3, 2, 9, 30, 15)),
    ],
)
def test_a_stamp_is_an_instant_or_a_time_of_the_wall(text: str, at: datetime) -> None:
    assert moment(text) == Moment(at)


def test_the_offset_of_the_message_is_that_of_a_stamp_without_one() -> None:
    assert moment("20260302093015", EAST) == Moment(datetime(2026, 3, 2, 9, 30, 15, tzinfo=EAST))
    assert moment("20260302093015+0000", EAST) == Moment(datetime(2026, 3, 2, 9, 30, 15, tzinfo=UTC))


def test_a_date_is_a_date() -> None:
    assert moment("20260302", EAST) == Moment(datetime(2026, 3, 2), "day")
    assert moment("202603") == Moment(datetime(2026, 3, 1), "month")
    assert moment("2026") == Moment(datetime(2026, 1, 1), "year")
    assert moment("") is None
    assert moment(" ^x") is None


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "20260230093000",
        "202603022530",
        "20260302093015+9900",
        "00010101000000",
        "2026-03-02",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(NotAFact, match="malformed"):
        moment(text)


@given(st.text("0123456789.+-^ ", max_size=26))
def test_whatever_the_digits_they_are_a_time_or_refused(text: str) -> None:
    try:
        found = moment(text)
    except NotAFact:
        return
    assert found is None or found.at.year in range(1900, 2201)


def test_one_instant_is_one_text_in_a_key() -> None:
    spellings = ("20260302093000+0700", "202603020930+0700", "20260302023000-0000", "20260302093000.0+0700")
    assert len({stamp_of(moment(text)) for text in spellings}) == 1
    assert stamp_of(None) == ""
    assert stamp_of(moment("20260302093000")) != stamp_of(moment("20260302093000+0000"))


@pytest.mark.parametrize("text", ["2026030209", "2026030209+0100"])
def test_an_hour_is_no_instant(text: str) -> None:
    with pytest.raises(NotAFact, match="time_too_coarse"):
        moment(text)


def test_an_offset_that_no_clock_has_is_none() -> None:
    assert offset("-0330") == timezone(-timedelta(hours=3, minutes=30))
    for text in ("+1500", "+0175"):
        with pytest.raises(ValueError, match=r"\d"):
            offset(text)
