"""Library twins in a worker whose machine's clock is set: what the wall clock says is moved by what a file says.

Importing this moves every place where a worker reads the wall clock: its heartbeats, the time of the records that it
sends (Kafka's client reads it in C, so it is given here), and `time.time` for all else.
"""

from __future__ import annotations

import contextlib
import os
import time
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from streams.worker import heartbeat
from streams.worker.twin_factory import LibraryTwins

FILE = "TEST_CLOCK_FILE"
"""Variable that names the file with the seconds by which the clock is ahead."""

_time, _send = time.time, AIOKafkaProducer.send


def moved() -> float:
    """Seconds since 1970, as the moved clock has it."""
    ahead = 0.0
    with contextlib.suppress(KeyError, OSError, ValueError):
        ahead = float(Path(os.environ[FILE]).read_text())
    return _time() + ahead


class _Moved(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.fromtimestamp(moved(), tz or UTC)


async def _send_moved(self: Any, *args: Any, timestamp_ms: int | None = None, **named: Any) -> Any:
    return await _send(self, *args, timestamp_ms=timestamp_ms or int(1000 * moved()), **named)


time.time = moved
heartbeat.datetime = _Moved  # type: ignore[misc]
AIOKafkaProducer.send = _send_moved

Twins = LibraryTwins
