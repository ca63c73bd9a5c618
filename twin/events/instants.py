"""Event time as a number: whole milliseconds since 1970-01-01T00:00Z, the only clock inside the twin."""

from __future__ import annotations

from datetime import UTC, datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_newest: tuple[datetime | None, int] = None, 0
"""The moment that was asked for last: an event's time is needed at every step from its bytes to the history."""


def to_millis(time: datetime) -> int:
    """Event time, which has an offset, as whole milliseconds since 1970-01-01T00:00Z."""
    global _newest  # one tuple, read and put in its place at once, whichever thread asks
    known, millis = _newest
    if known is not time:
        since = time - _EPOCH
        millis = 86_400_000 * since.days + 1000 * since.seconds + round(since.microseconds / 1000)
        _newest = time, millis
    return millis


def from_millis(millis: int) -> datetime:
    """Inverse of `to_millis`."""
    return datetime.fromtimestamp(millis / 1000, tz=UTC)
