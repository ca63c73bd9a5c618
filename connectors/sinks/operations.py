"""Heartbeats of the workers into InfluxDB 2, for the operations dashboard and its alert rules.

| measurement | tags | fields | time |
|---|---|---|---|
| `partition` | partition | lag, behind_seconds, barrier_seconds, sealed, stuck, state, worker | steps of 10 s |

No patient stands in it: of sealed twins their number is told. Of the beats in one step the newest stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import Field

from connectors.kafka.records import Record, event_of
from connectors.kafka.topics import HEARTBEATS
from connectors.settings import PartSettings, load_settings
from connectors.sinks import influx
from connectors.sinks.line_protocol import NS_PER_MS, line
from twin.events import Heartbeat, to_millis

SINK = "operations"

TOPICS = (HEARTBEATS,)

STEP_MS = 10_000
"""Time between two points of a partition."""


class Settings(PartSettings, env_prefix="DOSETWIN_OPERATIONS_"):
    """Where the points go. InfluxDB is that of ``dosetwin sink influx``, from the same DOSETWIN_INFLUX_ variables."""

    bucket: str = Field("", description="InfluxDB bucket, perhaps one that forgets sooner; else that of other points")


@contextmanager
def open_writer(settings: Settings) -> Iterator[OperationsWriter]:
    """A writer to the bucket, which need not be up yet.

    Raises:
        SettingsError: how InfluxDB is reached cannot be used.
    """
    its = load_settings(influx.Settings, bucket=settings.bucket or None)
    writer = OperationsWriter(its)
    try:
        yield writer
    finally:
        writer.close()


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
