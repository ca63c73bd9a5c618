"""That everybody is still there: so that a receiver can tell "nothing to say" from "nobody there".

A heartbeat is sent when it is due and every partition has a worker that lives, by what the workers themselves say
(`twin.events.Heartbeat`). So its absence says that something between the patients and the receiver is not there,
whatever that is: the sink, Kafka, a worker or the way. It never holds up an alert: one that fails is sent later, as a
new one, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog

from connectors.kafka.clients import KafkaUnreachable
from connectors.kafka.heartbeats import LastBeat, last_beats
from connectors.settings import Settings as Surroundings
from connectors.sinks.writer import BadItem, Unavailable

SILENT_SECONDS = 30.0
"""Without a word for so long a worker is not there; one that takes over from another needs some seconds (assumed)."""

AGAIN = timedelta(seconds=30)
"""After which it is tried again where somebody was not there, or the receiver did not take it (assumed)."""

log = structlog.get_logger(__name__)


class Workers(NamedTuple):
    """All partitions have a worker that lives: how many there are, how many records of patients wait for them, for how
    long the one that is furthest behind is so (s), and how many twins are sealed."""

    partitions: int
    lag: int
    behind_seconds: float
    sealed: int


class NobodyThere(Exception):
    """Some patients have no worker; the text says which partitions."""


@dataclass(frozen=True, slots=True)
class StillHere:
    """A heartbeat, with how many alerts were ``told`` since the one before."""

    time: datetime
    workers: Workers
    told: int


Due = Callable[[datetime, datetime], bool]
"""Whether a heartbeat is due: by when the last one was sent, or when this process began, and the time (UTC)."""


def every(span: timedelta) -> Due:
    """Due when so much time has passed."""
    return lambda last, now: now - last >= span


def daily(at: time, zone: ZoneInfo) -> Due:
    """Due each day at a time by a clock on a wall.

    >>> due = daily(time(7), ZoneInfo("Europe/Berlin"))
    >>> six, seven = datetime(2026, 1, 5, 5, 59, tzinfo=UTC), datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
    >>> due(six, six), due(six, seven), due(seven, seven)
    (False, True, False)
    """

    def due(last: datetime, now: datetime) -> bool:
        today = now.astimezone(zone).date()
        moments = (datetime.combine(today - timedelta(days=days), at, zone).astimezone(UTC) for days in (0, 1))
        return any(last < moment <= now for moment in moments)

    return due


def clock_time(said: str) -> time:
    """A time of day as 07:00.

    Raises:
        ValueError: it is none.
    """
    try:
        return datetime.strptime(said, "%H:%M").time()
    except ValueError:
        raise ValueError("write a time of day as 07:00") from None


def workers_of(surroundings: Surroundings) -> Workers:
    """What the workers say, by the broker.

    Raises:
        NobodyThere: not every partition has a worker that lives.
        KafkaUnreachable: no broker answers.
    """
    return judged(last_beats(surroundings.kafka, surroundings.topic_prefix))


def judged(beats: tuple[LastBeat, ...]) -> Workers:
    """The newest heartbeats of all partitions, where each has a worker that lives; raises `NobodyThere` otherwise."""
    alive = {one.beat.partition for one in beats if one.age <= SILENT_SECONDS and one.beat.state in ("live", "behind")}
    partitions = max((one.beat.partitions for one in beats), default=0)
    if not partitions:
        raise NobodyThere("no worker has been heard of")
    if missing := sorted(set(range(partitions)) - alive):
        raise NobodyThere(f"no worker lives that has partition {', '.join(map(str, missing))}")
    return Workers(
        partitions,
        sum(one.beat.lag for one in beats),
        max(one.beat.behind_seconds for one in beats),
        sum(len(one.beat.sealed) for one in beats),
    )


class Heart:
    """Sends heartbeats.

    Args:
        due: when.
        look: how the workers are; raises as `workers_of`.
        say: sends one; raises as `connectors.sinks.telling.subscriber.Subscriber.send`.
        now: gives the time (UTC).
        at_once: the first is due when the process begins.
    """

    def __init__(
        self,
        due: Due,
        look: Callable[[], Workers],
        say: Callable[[StillHere], None],
        now: Callable[[], datetime],
        *,
        at_once: bool = True,
    ) -> None:
        self.told = 0
        self._due, self._look, self._say, self._now = due, look, say, now
        self._last = datetime.min.replace(tzinfo=UTC) if at_once else now()
        self._not_before = self._last
        self._cause = ""

    def beat(self) -> None:
        """Send one, where it is due and everybody is there."""
        now = self._now()
        if now < self._not_before or not self._due(self._last, now):
            return
        cause = ""
        try:
            self._say(StillHere(now, self._look(), self.told))
        except (NobodyThere, KafkaUnreachable, Unavailable) as error:
            cause = str(error) or type(error).__name__
            self._not_before = now + AGAIN
        except BadItem as error:  # the receiver knows no heartbeats
            cause = f"the receiver does not take it: {error}"
        if cause and cause != self._cause:
            log.warning("no heartbeat was sent", cause=cause)
        self._cause = cause
        if self._not_before <= now:
            self._last, self.told = now, 0
