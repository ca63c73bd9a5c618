"""Heartbeats of the workers and lags of the sinks into InfluxDB 2, for the operations dashboard and its alert rules.

| measurement | tags | fields | time |
|---|---|---|---|
| `partition` | partition | lag, behind_seconds, barrier_seconds, sealed, stuck, state, worker | steps of 10 s |
| `sink` | sink | lag, behind_seconds, running | steps of 10 s |

No patient stands in it: of sealed twins their number is told. Of the beats in one step the newest stands. How far the
sinks are is asked of the broker, so that one that died does not fall silent: ``lag`` counts records that it has not
committed, of which the oldest has waited for ``behind_seconds``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog
from pydantic import Field

from connectors.kafka.clients import KafkaUnreachable
from connectors.kafka.group_lags import GroupLag
from connectors.kafka.records import Record, event_of
from connectors.kafka.topics import HEARTBEATS
from connectors.settings import PartSettings, load_settings
from connectors.settings import Settings as Surroundings
from connectors.sinks import influx
from connectors.sinks.lags import sink_lags
from connectors.sinks.line_protocol import NS_PER_MS, line
from connectors.sinks.writer import BadItem, Unavailable
from twin.events import Heartbeat, to_millis

SINK = "operations"

TOPICS = (HEARTBEATS,)

STEP_MS = 10_000
"""Time between two points of a partition, and of a sink."""

LEAVE_SECONDS = 2.0
"""Longest wait for the last look at the sinks when this one stops."""

log = structlog.get_logger(__name__)


class Settings(PartSettings, env_prefix="DOSETWIN_OPERATIONS_"):
    """Where the points go. InfluxDB is that of ``dosetwin sink influx``, from the same DOSETWIN_INFLUX_ variables."""

    bucket: str = Field("", description="InfluxDB bucket, perhaps one that forgets sooner; else that of other points")


@contextmanager
def open_writer(settings: Settings, surroundings: Surroundings) -> Iterator[OperationsWriter]:
    """A writer to the bucket, which need not be up yet, and beside it a watch over the sinks.

    Raises:
        SettingsError: how InfluxDB is reached cannot be used.
    """
    its = load_settings(influx.Settings, bucket=settings.bucket or None)
    writer, stop = OperationsWriter(its), threading.Event()
    watch = threading.Thread(target=_watch, args=(writer, surroundings, stop), name="sinks", daemon=True)
    watch.start()
    try:
        yield writer
    finally:
        stop.set()
        watch.join(LEAVE_SECONDS)
        writer.close()


def sink_lines(surroundings: Surroundings, now_ms: int) -> list[str]:
    """The line of each sink that ever read from these topics.

    Raises:
        KafkaUnreachable: no broker answers.
        KafkaError: it does not say.
    """
    return lines_of(sink_lags(surroundings), now_ms)


def lines_of(lags: Mapping[str, GroupLag], now_ms: int) -> list[str]:
    """The line of each sink, by its name, at a time (ms)."""
    ns = now_ms // STEP_MS * STEP_MS * NS_PER_MS
    return [
        line(
            "sink",
            {"sink": sink},
            {"lag": lag.records, "behind_seconds": lag.behind_seconds, "running": int(lag.running)},
            ns,
        )
        for sink, lag in lags.items()
    ]


def _watch(writer: OperationsWriter, surroundings: Surroundings, stop: threading.Event) -> None:
    """Write how far the sinks are, every step; where that cannot be asked or written now, the next step tells it."""
    from kafka.errors import KafkaError

    said = ""
    while not stop.is_set():
        try:
            if lines := sink_lines(surroundings, round(time.time() * 1000)):
                writer.write(lines)
            said = ""
        except (KafkaUnreachable, KafkaError, Unavailable, BadItem, OSError) as error:
            if not stop.is_set() and type(error).__name__ != said:
                said = type(error).__name__
                log.warning("how far the sinks are is not written now", cause=said)
        stop.wait(STEP_MS / 1000)


class OperationsWriter(influx.InfluxWriter):
    """As `connectors.sinks.influx.InfluxWriter`, for heartbeats."""

    def items(self, record: Record) -> list[str]:
        """The line of a heartbeat.

        Raises:
            ValueError: it is none.
        """
        beat = event_of(record)
        if not isinstance(beat, Heartbeat):
            raise ValueError(f"a record of kind '{beat.kind if beat else ''}' is no heartbeat")
        return [
            line(
                "partition",
                {"partition": str(beat.partition)},
                {
                    "lag": beat.lag,
                    "behind_seconds": float(beat.behind_seconds),
                    "barrier_seconds": float(beat.barrier_seconds),
                    "sealed": len(beat.sealed),
                    "stuck": int(beat.state == "stuck"),
                    "state": beat.state,
                    "worker": beat.worker,
                },
                to_millis(beat.time) // STEP_MS * STEP_MS * NS_PER_MS,
            )
        ]
