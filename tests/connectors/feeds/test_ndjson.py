"""NDJSON files: every line is an event or a reason, and no line harms another."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.ndjson import read_ndjson
from twin.events import MAX_EVENT_BYTES, Clock, InputEvent, encode


def clock(number: int) -> Clock:
    time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    return Clock(event_id=f"c{number}", patient_id="P-1", time=time, source="test")


def read(raw: bytes) -> list[tuple[int, InputEvent | BadLine]]:
    return list(read_ndjson(io.BytesIO(raw)))


def test_a_line_is_an_event_whatever_its_line_end() -> None:
    raw = b"\xef\xbb\xbf" + encode(clock(1)) + b"\r\n\n   \n" + encode(clock(2)) + b"\n" + encode(clock(3))
    assert read(raw) == [(1, clock(1)), (4, clock(2)), (5, clock(3))]


def test_a_bad_line_is_named_with_its_number_and_reason() -> None:
    lines = [
        b"{",
        b'{"kind": "riddle"}',
        b"\xff\xfe",
        b"[1]",
        encode(clock(1)).replace(b'"c1"', b'""'),
        encode(clock(1)).replace(b"2026-01-01T01:00:00Z", b"2026-01-01T01:00:00"),
    ]
    found = read(b"\n".join([*lines, encode(clock(7))]))
    reasons = [str(bad) for _, bad in found[:-1]]
    assert reasons[0].startswith("line 1: not JSON")
    assert reasons[1].startswith("line 2: field 'kind'")
    assert reasons[2].startswith("line 3: not JSON")
    assert reasons[3].startswith("line 4: ")
    assert reasons[4].startswith("line 5: field 'clock.event_id'") or "event_id" in reasons[4]
    assert "time" in reasons[5]
    assert found[-1] == (7, clock(7))


def test_a_line_longer_than_any_event_is_skipped_without_being_kept() -> None:
    long = b'{"kind": "' + b"x" * (2 * MAX_EVENT_BYTES) + b'"}'
    (first, bad), (second, event) = read(long + b"\n" + encode(clock(1)) + b"\n")
    assert (first, second, event) == (1, 2, clock(1))
    assert str(bad) == f"line 1: a line of {len(long)} bytes; an event has at most {MAX_EVENT_BYTES}"
    assert read(long) == [(1, BadLine(1, f"a line of {len(long)} bytes; an event has at most {MAX_EVENT_BYTES}"))]


def test_an_event_of_the_largest_size_is_read_in_whole() -> None:
    padded = encode(clock(1)).ljust(MAX_EVENT_BYTES)
    assert [number for number, found in read(padded + b"\r\n" + padded) if found == clock(1)] == [1, 2]


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.integers(0, 99), st.binary(max_size=30).filter(lambda raw: b"\n" not in raw)), max_size=12)
)
def test_events_between_junk_are_all_found(lines: list[int | bytes]) -> None:
    raw = b"".join((encode(clock(line)) if isinstance(line, int) else b"?" + line) + b"\n" for line in lines)
    found = read(raw)
    assert [event for _, event in found if not isinstance(event, BadLine)] == [
        clock(line) for line in lines if isinstance(line, int)
    ]
    assert [number for number, _ in found] == list(range(1, len(lines) + 1))
