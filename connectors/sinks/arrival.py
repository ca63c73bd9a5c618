"""Where and when a record came to a sink."""

from __future__ import annotations

from typing import NamedTuple


class Arrival(NamedTuple):
    """When the broker stamped a record (ms), and its place in its topic."""

    millis: int
    partition: int
    offset: int
