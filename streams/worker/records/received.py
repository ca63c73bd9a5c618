"""Events as they were received."""

from __future__ import annotations

from typing import NamedTuple

from streams.worker.engine import RecordPosition
from twin.events import InputEvent


class ReceivedEvent(NamedTuple):
    """A decoded event with where it came from and the bytes it came as."""

    event: InputEvent
    position: RecordPosition
    raw: bytes
