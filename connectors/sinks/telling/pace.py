"""When alerts may be told: not in quiet hours unless urgent, and never more than so many in a while.

What has to wait is told in one summary: after quiet hours, or as soon as the flood leaves room for one message more.
Ten messages in ten minutes are a flood, more than anybody can attend to (ISA-18.2, to be confirmed in the standard). In
a flood urgent alerts are told together once a minute, however many there are.

An alert that came in quiet hours belongs to their summary, whenever it is told: so it is the same summary if a process
ends in the night and another goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.sinks.telling.quiet_hours import QuietHours
from connectors.sinks.telling.settings import SubscriberSettings
from twin.events import Alert, AlertPhase

URGENT_EVERY = timedelta(minutes=1)
"""In a flood, what is urgent waits no longer than this for the message that tells it (assumed)."""

SUMMARY = ""
"""Key of what is told in the summary."""


CALLS: frozenset[AlertPhase] = frozenset({"start", "update", "escalate", "unshelved", "end", "withdrawn"})
"""What a transition tells that somebody may be woken for; the others tell what somebody did who is awake."""


def urgent(alert: Alert) -> bool:
    """Whether it is told in quiet hours too: of high severity, and neither shelved nor inhibited."""
    shelved = alert.shelved_until is not None and alert.shelved_until > alert.time
    return alert.severity == "high" and alert.phase in CALLS and not shelved and alert.inhibited_by is None


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert to be told, and when it came to the broker (UTC)."""

    alert: Alert
    arrived: datetime


class Pace:
    """``now`` gives the time (UTC); ``key`` tells which message a notice would be in, were it told at once."""

    def __init__(self, settings: SubscriberSettings, now: Callable[[], datetime], key: Callable[[Notice], str]) -> None:
        self._quiet = QuietHours.of(settings.quiet_hours, settings.zone) if settings.quiet_hours else None
        self._most, self._over = settings.flood, timedelta(minutes=settings.flood_minutes)
        self._now, self._key = now, key
        self._sent: deque[datetime] = deque()
        self._waited: set[str] = set()

    def later(self, notices: Sequence[Notice]) -> list[int]:
        """The places of those that have to wait now."""
        now = self._now()
        room = self._room(now)
        quiet = self._quiet is not None and self._quiet.until(now) is not None
        hurried = room > 0 or not self._sent or now - self._sent[-1] >= URGENT_EVERY
        waiting, messages = [], set[str]()
        for place, notice in enumerate(notices):
            key = SUMMARY if self.in_summary(notice) else self._key(notice)
            fits = key in messages or len(messages) < room
            may = (fits or hurried) if urgent(notice.alert) else (fits and not quiet)
            if may and not fits:  # a flood, in which all that is urgent goes into one message
                key = SUMMARY
                self._waited.add(notice.alert.event_id)
            if may:
                messages.add(key)
            else:
                waiting.append(place)
                self._waited.add(notice.alert.event_id)
        return waiting

    def in_summary(self, notice: Notice) -> bool:
        """Whether it is told in a summary: it has waited, or came in quiet hours and could wait."""
        if notice.alert.event_id in self._waited:
            return True
        return self._quiet is not None and not urgent(notice.alert) and self._quiet.until(notice.arrived) is not None

    def sent(self, notices: Sequence[Notice]) -> None:
        """One message with these went out."""
        self._sent.append(self._now())
        self._waited -= {notice.alert.event_id for notice in notices}

    def _room(self, now: datetime) -> float:
        """Messages that may still go out."""
        while self._sent and now - self._sent[0] >= self._over:
            self._sent.popleft()
        return self._most - len(self._sent) if self._most else float("inf")
