"""What a feed says, onto the topics or into an NDJSON file: publishing, progress and bad lines, once for every feed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.stream import Note, Progress, Spoken, Stream, TimedEvent
from connectors.kafka.feed_metrics import FeedMetrics
from connectors.kafka.publish import Published, Throttle, publish
from connectors.kafka.topics import ensure_topics, topic_of
from connectors.services.run_state import open_private
from connectors.settings import load_settings
from streams.terminal.metrics_page import Health, metrics_page
from streams.terminal.signals import stop_at_signals
from twin.events import encode

if TYPE_CHECKING:
    from twin.events import InputEvent

BAD_LINES = 3
"""Exit code when at least one line could not be used."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where events go, and how fast.

    Attributes:
        out: NDJSON file; without it they go onto the topics.
        kafka, prefix: bootstrap servers and start of every topic, where they differ from the settings.
        speed: simulated seconds per second; 0 is as fast as they are taken, None as the feed would have it.
        page: port and address of the page for machines; without a port there is none.
    """

    out: Path | None = None
    kafka: str | None = None
    prefix: str | None = None
    speed: float | None = None
    page: tuple[int | None, str] = (None, "")


def send(name: str, stream: Stream, to: Destination) -> int:
    """Send all that a feed says; returns the exit code: 0, `BAD_LINES`, or 1 where something was not confirmed.

    Notes and bad lines are told on stderr as they come, and at the end in a line of JSON what was sent and left out.
    """
    metrics = FeedMetrics()
    with metrics_page(metrics.registry, *to.page, Health(metrics.dead, metrics.waiting)) as address:
        if address is not None:
            typer.echo(f"metrics: {address}", err=True)
        return _send(name, stream, to, metrics)


def _send(name: str, stream: Stream, to: Destination, metrics: FeedMetrics) -> int:
    report = _Report(metrics)
    ticker = Ticker(name, stream.expected)
    # What is said before the first event, as the bad lines of a file are, is told whether or not a broker answers.
    events = _begun(report.events_of(stream))
    stop = stop_at_signals()
    if to.out is not None and stream.spoken is not None:
        raise ValueError("--out writes our own JSON; give it without --speak")
    if to.out is not None:
        throttle = Throttle(to.speed) if to.speed else None
        written = _write(events, to.out, throttle, stop, ticker, metrics)
        summary: dict[str, Any] = {"written": written, "file": str(to.out)}
        failed = False
    elif stream.spoken is not None:
        summary = _speak(events, stream, stream.spoken, to, stop, ticker, metrics)
        failed = bool(summary["refused"] or summary["failed"])
    else:
        speed = stream.speed if to.speed is None else to.speed
        published = _publish(events, to, Throttle(speed) if speed else None, stop, ticker, metrics)
        summary = {"published": published.confirmed, "failed": published.failed, "by_topic": published.by_topic}
        failed = not published.complete
    typer.echo(json.dumps(summary | {"bad_lines": report.bad_lines, "stopped": stop.is_set()}), err=True)
    if failed:
        who = "the broker did not confirm" if stream.spoken is None else "whoever listens did not take"
        typer.echo(f"dosetwin: {who} every event; feed them again once it is well", err=True)
    return 1 if failed else BAD_LINES if report.bad_lines else 0


class _Report:
    """Tells on stderr what a feed says beside its events, and counts the bad lines."""

    def __init__(self, metrics: FeedMetrics) -> None:
        self.bad_lines = 0
        self._metrics = metrics
        self._tickers: dict[str, Ticker] = {}

    def events_of(self, stream: Stream) -> Iterator[tuple[int, InputEvent]]:
        for said in stream.said:
            match said:
                case TimedEvent():
                    yield said
                case BadLine():
                    self.bad_lines += 1
                    self._metrics.bad_lines.inc()
                    typer.echo(str(said), err=True)
                case Note():
                    typer.echo(said.text, err=True)
                case Progress():
                    ticker = self._tickers.setdefault(said.what, Ticker(said.what, said.total, said.unit))
                    ticker(said.done)


def _begun(events: Iterator[tuple[int, InputEvent]]) -> Iterator[tuple[int, InputEvent]]:
    """The same events, of which the first has been taken already."""
    return chain(list(islice(events, 1)), events)


def _publish(
    events: Iterator[tuple[int, InputEvent]],
    to: Destination,
    throttle: Throttle | None,
    stop: threading.Event,
    ticker: Ticker,
    metrics: FeedMetrics,
) -> Published:
    settings = load_settings(kafka=to.kafka, topic_prefix=to.prefix)
    ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
    return publish(settings.kafka, events, settings.topic_prefix, throttle, stop, ticker, metrics)


def _speak(
    events: Iterator[tuple[int, InputEvent]],
    stream: Stream,
    spoken: Spoken,
    to: Destination,
    stop: threading.Event,
    ticker: Ticker,
    metrics: FeedMetrics,
) -> dict[str, Any]:
    from streams.speaking import speak

    settings = load_settings(kafka=to.kafka, topic_prefix=to.prefix)
    speed = stream.speed if to.speed is None else to.speed
    throttle = Throttle(speed) if speed else None
    return speak(events, spoken, settings, throttle, stop, lambda text: typer.echo(text, err=True), ticker, metrics)


def _write(
    events: Iterator[tuple[int, InputEvent]],
    out: Path,
    throttle: Throttle | None,
    stop: threading.Event,
    ticker: Ticker,
    metrics: FeedMetrics,
) -> int:
    written = 0
    with open_private(out) as file:
        for millis, event in events:
            if throttle is not None:
                throttle.wait(millis, stop)
            if stop.is_set():
                break
            metrics.sent()
            file.write(encode(event) + b"\n")
            metrics.confirmed(topic_of(event))
            written += 1
            ticker(written)
    return written


class Ticker:
    """Says on stderr every few seconds how far a feed has come."""

    EVERY_SECONDS = 5.0

    def __init__(
        self, name: str, total: int | None, unit: str = "events", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._total = total
        self._unit = unit
        self._clock = clock
        self._next = clock() + min(2.0, self.EVERY_SECONDS)

    def __call__(self, count: int) -> None:
        now = self._clock()
        if now < self._next:
            return
        self._next = now + self.EVERY_SECONDS
        of = f" of about {self._total} ({100 * count / self._total:.0f} %)" if self._total else ""
        typer.echo(f"{self._name}: {count} {self._unit}{of}", err=True)
