"""Bursts of late arrivals of one patient, told together, whichever way they were read.

What reaches back behind what is folded (a late result, a correction) lets the twin fold again, which may take seconds.
So late arrivals are gathered in *windows* of record time:

- one that comes in no window is told at once, and opens a window of `FIRST_MS` from its record time, or of as long as
  it takes to fold again what it reaches back over, in which nothing else could be told anyway;
- those that come within the window wait for its end, and are told together. Another window follows, twice as long, up
  to `LONGEST_MS`;
- one that comes after a window in which none waited, and within its length again (or `CALM_MS`), is told at once too,
  but opens a window twice as long.

A window has ended for a patient when a record of the patient is handled whose record time lies behind its end. So what
is told together follows from the records alone, and not from how many of them were at hand when: a worker that reads
them again after a crash tells the same. Where no further record of the patient comes, the window ends when the
partition's topics have been read to its end (`ReadTo`), which no record of before its end then follows.

A flood of late arrivals costs one fold at first and then one a window, ever fewer: some fifteen in the first ten
minutes where a fold is short, and three where it takes two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.worker.records.received import ReceivedEvent
from twin.clock import HOUR_MS
from twin.events import to_millis

FIRST_MS = 100
"""Length of the first window (ms of record time): what one sender sends in one go. A wearable that was out of reach
sends hours of readings so, nearly one in a hundred of a ward's events, and they wait no longer than a result may."""

CALM_MS = 2_000
"""After a window, so long must be quiet for the next to be a first one: a late result every second does not cost a fold
every second."""

LONGEST_MS = 64_000
"""Longest window: what a patient's twin may be behind with what is late."""

MS_PER_HOUR = 5.0
"""What it takes to fold an hour of event time again (ms): measured are 2.5 with 100 and 5 with 1,000 particles."""

MOST = 4_000
"""Late arrivals at which a window ends early, so that rows stay small."""

MOST_BYTES = 1_048_576
"""Bytes of late arrivals at which a window ends early."""

IDLE_SECONDS = 1.0
"""A topic that has brought nothing for so long has nothing more to bring."""


NEVER = -(2**62)
"""Record time (ms) before every record."""


@dataclass
class Burst:
    """The window of one patient: ``ends`` (ms of record time), how long it is (ms), and what waits for its end."""

    ends: int = 0
    length: int = 0
    waiting: list[ReceivedEvent] = field(default_factory=list)

    def takes(self, arrival: ReceivedEvent, latest: int) -> bool:
        """Whether a late arrival has to wait; one that has not opens a window. ``latest``: newest event time (ms)."""
        timestamp = arrival.record.timestamp
        if timestamp >= self.ends:
            calm = timestamp >= self.ends + max(self.length, CALM_MS)
            length = FIRST_MS if calm else min(max(2 * self.length, FIRST_MS), LONGEST_MS)
            self.length = max(length, _fold_ms([arrival], latest))
            self.ends = timestamp + self.length
            return False
        self.waiting.append(arrival)
        return True

    def has_ended(self, timestamp: int) -> bool:
        """Whether what waits is to be told before what comes with this record time."""
        return bool(self.waiting) and (timestamp >= self.ends or self.is_full)

    @property
    def is_full(self) -> bool:
        """Whether so much waits that the window ends now."""
        return len(self.waiting) >= MOST or sum(len(late.raw) for late in self.waiting) >= MOST_BYTES

    def close(self, latest: int) -> Sequence[ReceivedEvent]:
        """End the window, and open the next; what waited. ``latest``: newest event time (ms)."""
        told, self.waiting = self.waiting, []
        self.length = max(min(2 * self.length, LONGEST_MS), _fold_ms(told, latest))
        self.ends += self.length
        return told


def _fold_ms(told: Sequence[ReceivedEvent], latest: int) -> int:
    """About how long it takes to fold again from the earliest of what is told (ms)."""
    since = min((to_millis(arrival.event.time) for arrival in told), default=latest)
    return round(max(latest - since, 0) / HOUR_MS * MS_PER_HOUR)


class ReadTo:
    """How far, in record time, the topics of one partition have been read. Times are monotonic seconds.

    >>> read = ReadTo()
    >>> read.start("clinical.labs", now=0.0)
    >>> read.read("iomt.vitals", 9_000, now=0.0)
    >>> read.has_passed(5_000, now=0.5), read.has_passed(5_000, now=2.0)
    (False, True)
    """

    def __init__(self) -> None:
        self._heads: dict[str, tuple[int, float]] = {}

    def start(self, topic: str, now: float) -> None:
        """The topic will be read."""
        self._heads[topic] = NEVER, now

    def read(self, topic: str, timestamp: int, now: float) -> None:
        """A record with this record time (ms) was taken."""
        self._heads[topic] = timestamp, now

    def has_passed(self, timestamp: int, now: float) -> bool:
        """Whether no record of before this record time is to be expected any more."""
        return all(head >= timestamp or now - since >= IDLE_SECONDS for head, since in self._heads.values())
