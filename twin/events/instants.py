"""Event time as a number: whole milliseconds since 1970-01-01T00:00Z, the only clock inside the twin."""

from __future__ import annotations

from datetime import UTC, datetime


def to_millis(time: datetime) -> int:
    """Event time, which has an offset, as whole milliseconds since 1970-01-01T00:00Z."""
    return round(time.timestamp() * 1000)


def from_millis(millis: int) -> datetime:
    """Inverse of `to_millis`."""
    return datetime.fromtimestamp(millis / 1000, tz=UTC)
