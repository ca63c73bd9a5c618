"""Event times are ISO 8601 text with an offset: nothing else is read as one, and what is read goes out as it came."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.events import EVENTS, BadEvent, Clock, decode, encode
from twin.events.event_time import PATTERN

CLOCK = {"v": 1, "kind": "clock", "event_id": "e1", "patient_id": "P-1", "source": "ward"}


def read(time: object) -> datetime:
    return decode(json.dumps(CLOCK | {"time": time}).encode()).time


@pytest.mark.parametrize(
    "time",
    [
        "20260105090000",  # a time of HL7 version 2, once the year 2612
        "2026010512",
        "20260105090000+0100",
        "1767603600",
        "1.5e9",
        1767603600,
        1767603600.5,
        True,
        None,
        "",
        "yesterday",
        "2026-01-05",
        "2026-01-05T09:00:00",
        "2026-01-05 09:00:00+00:00",
        "2026-01-05t09:00:00z",
        "2026-01-05T09:00:00+01",
        "20260105T090000Z",
        "2026-02-30T09:00:00Z",
        "2026-01-05T24:00:00Z",
        "2026-01-05T09:00:00+25:00",
        "2026-01-05T09:00:00Z\\n",
        "\u0662026-01-05T09:00:00Z",
    ],
)
def test_what_is_no_iso_time_with_an_offset_is_refused_with_value_and_mend(time: object) -> None:
    with pytest.raises(BadEvent) as caught:
        read(time)
    mend = "it is no ISO 8601 time with an offset; write it as 2026-03-02T09:00:00Z or 2026-03-02T10:00:00+01:00"
    assert caught.value.reason == "invalid_event"
    assert caught.value.detail == f"field 'time': {mend} (got {time!r})"


def test_every_time_in_every_event_is_an_event_time() -> None:
    def times(node: object) -> list[dict[str, object]]:
        if isinstance(node, dict):
            own = [node] if node.get("format") == "date-time" else []
            return own + [found for each in node.values() for found in times(each)]
        return [found for each in node for found in times(each)] if isinstance(node, list) else []

    for event in EVENTS:
        assert all(one.get("pattern") == PATTERN for one in times(event.model_json_schema())), event


def test_the_times_of_planned_doses_are_event_times_too() -> None:
    dose = {"time": "20260105090000", "amount": {"value": 100, "unit": "mg"}}
    plan = CLOCK | {"kind": "regimen_planned", "time": "2026-01-05T09:00:00Z", "drug": "docetaxel", "doses": [dose]}
    with pytest.raises(BadEvent, match=r"field 'doses\.0\.time': it is no ISO 8601 time"):
        decode(json.dumps(plan).encode())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-01-05T09:00Z", datetime(2026, 1, 5, 9, tzinfo=UTC)),
        ("2026-01-05T10:00:00.25+01:00", datetime(2026, 1, 5, 9, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-01-05T14:30:00+0530", datetime(2026, 1, 5, 9, tzinfo=UTC)),
    ],
)
def test_an_iso_time_with_an_offset_is_that_moment(written: str, meant: datetime) -> None:
    assert read(written) == meant


OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=OFFSETS))
def test_a_time_goes_over_the_wire_and_back_exactly(time: datetime) -> None:
    clock = Clock(event_id="e1", patient_id="P-1", source="ward", time=time)
    back = decode(encode(clock))
    assert (back.time, back.time.utcoffset()) == (time, time.utcoffset())
    assert encode(back) == encode(clock)


TEXTS = st.text(alphabet="0123456789-+:.,TtZz eE", max_size=26)
WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(Z|[+-][0-9:]+)")


@given(TEXTS | st.from_regex(PATTERN.replace("^", r"\A")[:-1] + r"\Z"))
def test_no_other_text_is_ever_read_as_a_time(text: str) -> None:
    try:
        read(text)
    except BadEvent:
        return
    assert WRITTEN.fullmatch(text)


def test_an_offset_with_seconds_is_told_in_utc_and_not_cut() -> None:
    amsterdam = datetime(1930, 1, 1, tzinfo=timezone(timedelta(minutes=19, seconds=32)))
    clock = Clock(event_id="e1", patient_id="P-1", source="ward", time=amsterdam)
    assert decode(encode(clock)).time == amsterdam
