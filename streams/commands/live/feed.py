"""``dosetwin feed``: events from a simulated ward or from files, onto the topics or into an NDJSON file.

A file's bad lines are reported with their number and reason while the rest goes on; the exit code is then 3. Each
command ends with a line of JSON on stderr: what was sent, what failed, and which lines were left out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from connectors.feeds.bad_lines import BadLine
    from connectors.feeds.ward.ward import SimulatedWard
    from connectors.kafka.publish import Published
    from twin.events import InputEvent

app = typer.Typer(name="feed", no_args_is_help=True, help="Feed events onto the topics: a simulated ward, or files.")

BAD_LINES = 3
"""Exit code when at least one line could not be used."""

WARD_SPEED = 600.0
"""Simulated seconds per second of a ward on the topics unless told otherwise: a day in under three minutes."""

Kafka = Annotated[str | None, typer.Option(help="bootstrap servers; by default DOSETWIN_KAFKA")]
Prefix = Annotated[str | None, typer.Option(help="of every topic; by default DOSETWIN_TOPIC_PREFIX")]
Speed = Annotated[float | None, typer.Option(min=0, help="simulated seconds per second; 0: as fast as they are taken")]
Out = Annotated[Path | None, typer.Option(help="write the events to this NDJSON file instead of publishing them")]
Dated = Iterable[tuple[int | None, "InputEvent"]]


@app.callback()
def feed() -> None:
    """Feed events onto the topics: a simulated ward, or files."""


@app.command()
def ward(
    patients: Annotated[int, typer.Option(help="how many patients")] = 12,
    days: Annotated[float, typer.Option(help="how long each stays")] = 21.0,
    seed: Annotated[int, typer.Option(help="the same seed and start give the same ward")] = 1,
    start: Annotated[
        str | None, typer.Option(help="first admission, as 2026-01-31T00:00Z; by default 200 days ago")
    ] = None,
    speed: Speed = None,
    model: Annotated[
        list[str] | None, typer.Option(help="id or path of a model; repeatable, patients are of each in turn")
    ] = None,
    vitals_every: Annotated[float, typer.Option(help="seconds between samples of the wearable")] = 60.0,
    pump_every: Annotated[float, typer.Option(help="seconds between samples of a pump")] = 120.0,
    truth: Annotated[Path | None, typer.Option(help="write who the patients really are to this NDJSON file")] = None,
    out: Out = None,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """A simulated ward: patients of the models' own populations, with pumps, wearables, laboratory and staff."""
    from connectors.feeds.ward.ward import WARD_MODELS, SimulatedWard, default_start, expected_events, named_models

    with _plain_errors():
        began = default_start(datetime.now(UTC)) if start is None else _moment(start)
        simulated = SimulatedWard(
            named_models(model or WARD_MODELS),
            patients,
            began,
            seed,
            days,
            vitals_every=vitals_every,
            pump_every=pump_every,
        )
        if truth is not None:
            _write_truth(simulated, truth)
        ticker = Ticker("ward", expected_events(simulated))
        arrivals = ((arrival.time, arrival.event) for arrival in simulated.arrivals())
        throttle = speed if speed is not None else (None if out is not None else WARD_SPEED)
        _deliver(arrivals, out, kafka, prefix, throttle, ticker, [])


@app.command()
def nmtran(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="NM-TRAN style CSV")],
    model: Annotated[str, typer.Option(help="id or path of the model that says what DV, CMT and TIME are")],
    columns: Annotated[str, typer.Option(help="the file's own names, as TIME=TIME_DAYS,AMT=AMT_6MP")] = "",
    output: Annotated[str | None, typer.Option(help="what DV is, where the file has no DVID")] = None,
    speed: Speed = None,
    out: Out = None,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """A pharmacometrician's data file: doses, observations and covariates of every patient in it."""
    from connectors.feeds.nmtran.reader import parse_columns, read_nmtran
    from twin.events import to_millis
    from twin.modelfile.library import load_model

    with _plain_errors():
        with file.open(encoding="utf-8", errors="replace") as lines:
            reading = read_nmtran(lines, load_model(model), parse_columns(columns), output)
        for note in reading.notes:
            typer.echo(f"{file}: note: {note}", err=True)
        for bad in reading.bad_lines:
            typer.echo(f"{file}: {bad}", err=True)
        ticker = Ticker("nmtran", len(reading.events))
        dated = ((to_millis(event.time), event) for event in reading.events)
        _deliver(dated, out, kafka, prefix, speed, ticker, list(reading.bad_lines))


@app.command()
def ndjson(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="one event a line")],
    speed: Speed = None,
    out: Out = None,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Recorded events, one JSON object a line, in the order they stand in; --speed goes by their event times."""
    with _plain_errors():
        bad_lines: list[BadLine] = []
        _deliver(_recorded(files, bad_lines), out, kafka, prefix, speed, Ticker("ndjson", None), bad_lines)


def _recorded(files: Iterable[Path], bad_lines: list[BadLine]) -> Iterator[tuple[int, InputEvent]]:
    from connectors.feeds.bad_lines import BadLine
    from connectors.feeds.ndjson import read_ndjson
    from twin.events import to_millis

    for file in files:
        with file.open("rb") as stream:
            for _, found in read_ndjson(stream):
                if isinstance(found, BadLine):
                    bad_lines.append(found)
                    typer.echo(f"{file}: {found}", err=True)
                else:
                    yield to_millis(found.time), found


# --- where the events go ---------------------------------------------------------------------------------------------


def _deliver(
    events: Dated,
    out: Path | None,
    kafka: str | None,
    prefix: str | None,
    speed: float | None,
    ticker: Ticker,
    bad_lines: list[BadLine],
) -> None:
    """Send the events and end the command: exit code 0, `BAD_LINES`, or 1 where something was not confirmed."""
    import json

    from connectors.kafka.publish import Throttle

    stop = _stop_at_signals()
    throttle = Throttle(speed) if speed else None
    if out is not None:
        summary: dict[str, Any] = {"written": _write_events(events, out, throttle, stop, ticker), "file": str(out)}
        failed = False
    else:
        published = _publish(events, kafka, prefix, throttle, stop, ticker)
        summary = {"published": published.confirmed, "failed": published.failed, "by_topic": published.by_topic}
        failed = not published.complete
    summary |= {"bad_lines": len(bad_lines), "stopped": stop.is_set()}
    typer.echo(json.dumps(summary), err=True)
    if failed:
        typer.echo("dosetwin: the broker did not confirm every event; feed them again once it is well", err=True)
    raise typer.Exit(1 if failed else BAD_LINES if bad_lines else 0)


def _publish(
    events: Dated, kafka: str | None, prefix: str | None, throttle: Any, stop: threading.Event, ticker: Ticker
) -> Published:
    from connectors.kafka.publish import publish
    from connectors.kafka.topics import ensure_topics
    from connectors.settings import load_settings

    settings = load_settings(kafka=kafka, topic_prefix=prefix)
    ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
    return publish(settings.kafka, events, settings.topic_prefix, throttle, stop, ticker)


def _write_events(events: Dated, out: Path, throttle: Any, stop: threading.Event, ticker: Ticker) -> int:
    from twin.events import encode

    written = 0
    with out.open("wb") as file:
        for millis, event in events:
            if throttle is not None and millis is not None:
                throttle.wait(millis, stop)
            if stop.is_set():
                break
            file.write(encode(event) + b"\n")
            written += 1
            ticker(written)
    return written


def _write_truth(simulated: SimulatedWard, path: Path) -> None:
    """All at once or not at all: a half-written truth would be scored against."""
    ticker = Ticker("truth", simulated.size, "patients")
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8") as file:
        for number, line in enumerate(simulated.truth_lines(), start=1):
            file.write(line)
            ticker(number)
    unfinished.replace(path)


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


def _stop_at_signals() -> threading.Event:
    """Set at SIGTERM or SIGINT, so that what is on its way is still confirmed and counted."""
    import signal

    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    return stop


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--start {text!r} is not a time; write it as 2026-01-31T00:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What the user can mend is said in one line, with exit code 1."""
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.topics import TopicError

    try:
        yield
    except (ValueError, OSError, KafkaUnreachable, TopicError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
