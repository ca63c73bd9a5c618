"""What becomes of what a feed says: events into a file, notes and bad lines on stderr, progress now and then."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.stream import Note, Progress, Said, Stream, TimedEvent
from connectors.kafka.clients import KafkaUnreachable
from streams.sending import BAD_LINES, Destination, Ticker, send
from twin.events import Clock, decode, to_millis


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


def hour(n: int) -> TimedEvent:
    time = datetime(2026, 1, 1, n, tzinfo=UTC)
    return TimedEvent(to_millis(time), Clock(event_id=f"c{n}", patient_id="P-1", time=time, source="test"))


def test_events_are_written_and_all_else_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.ndjson"
    said: list[Said] = [
        Note("two hours"),
        hour(1),
        BadLine(2, "no hour", file=Path("f")),
        Progress("t", 1, 2, "x"),
        hour(2),
    ]
    assert send("clock", Stream(said, 2), Destination(out)) == BAD_LINES
    assert [decode(line).event_id for line in out.read_bytes().splitlines()] == ["c1", "c2"]
    *told, summary = capsys.readouterr().err.splitlines()
    assert told == ["two hours", "f: line 2: no hour"]
    assert json.loads(summary) == {"written": 2, "file": str(out), "bad_lines": 1, "stopped": False}


def test_bad_lines_of_a_file_are_named_where_no_broker_answers(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[Said] = [Note("two hours"), BadLine(2, "no hour", file=Path("f")), hour(1)]
    with pytest.raises(KafkaUnreachable):
        send("clock", Stream(said, 1), Destination(kafka="127.0.0.1:1"))
    assert capsys.readouterr().err.splitlines()[:2] == ["two hours", "f: line 2: no hour"]


def test_what_is_sent_and_left_out_is_told_on_a_page_for_machines_while_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages: list[str] = []

    def said() -> Iterator[Said]:
        yield hour(1)
        yield BadLine(2, "no hour", file=Path("f"))
        yield hour(2)
        address = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("metrics: "))[9:]
        for page in ("metrics", "readyz", "healthz"):
            with urlopen(address.replace("metrics", page), timeout=60) as answer:
                pages.append(answer.read().decode())
        yield hour(3)

    to = Destination(tmp_path / "out.ndjson", page=(0, "127.0.0.1"))
    assert send("clock", Stream(said()), to) == BAD_LINES
    metrics, *well = pages
    assert 'dosetwin_feed_events_total{topic="twin.commands"} 2.0' in metrics
    assert "dosetwin_feed_bad_lines_total 1.0" in metrics
    assert "P-1" not in metrics
    assert [json.loads(page) for page in well] == [{"status": "ok"}] * 2


def test_a_feed_without_bad_lines_ends_well_even_when_it_says_nothing(tmp_path: Path) -> None:
    assert send("clock", Stream([]), Destination(tmp_path / "out.ndjson")) == 0


def test_a_file_is_written_at_the_pace_that_was_asked_for_and_not_at_the_feeds_own(tmp_path: Path) -> None:
    slow = Stream([hour(1), hour(20)], speed=1.0)
    assert send("clock", slow, Destination(tmp_path / "out.ndjson")) == 0
    with pytest.raises(ValueError, match="speed inf"):
        send("clock", slow, Destination(tmp_path / "out.ndjson", speed=float("inf")))


def test_progress_is_said_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = iter([0.0, 1.0, 2.5, 3.0, 8.0])
    ticker = Ticker("ward", 400, clock=lambda: next(now))
    for count in (10, 100, 150, 300):
        ticker(count)
    assert capsys.readouterr().err.splitlines() == [
        "ward: 100 events of about 400 (25 %)",
        "ward: 300 events of about 400 (75 %)",
    ]
