"""A writer of alerts, of which a subscriber only says how one message is sent.

Filter, quiet hours, flood and grouping are done here, the same for all. `Subscriber.write` sends message after message
and remembers what was taken, so that what a failure in between brings once more is not told twice by this process;
after a crash it may be, under the same id.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Literal

from connectors.alert_filter import AlertFilter
from connectors.kafka.records import Record, event_of
from connectors.sinks.telling.heartbeat import Heart
from connectors.sinks.telling.message import Message
from connectors.sinks.telling.pace import Notice, Pace
from connectors.sinks.telling.patience import Patience
from connectors.sinks.telling.settings import SubscriberSettings
from connectors.sinks.writer import BadItem, TooSlow, Unavailable
from twin.events import Alert, from_millis

REMEMBERED = 100_000
"""Alerts that were told, by this process, last."""

LONGEST_WRITE = 20.0
"""Seconds after which a call gives the loop a chance to poll; what is left is sent by the next."""


class Failed(Unavailable):
    """The receiver answered that it failed, through a fault of its own."""

    cause = "failed"


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class Subscriber(ABC):
    """Tells alerts; ``now`` gives the time (UTC). ``heart`` says that everybody is there, where that is wanted."""

    together: ClassVar[Literal["no", "patient", "all"]] = "no"
    """Which alerts of one call make one message, when none had to wait."""

    def __init__(self, settings: SubscriberSettings, now: Callable[[], datetime] = utc_now) -> None:
        self._filter = AlertFilter(settings)
        self._pace = Pace(settings, now, self._key)
        self._patience = Patience(now)
        self._told: OrderedDict[str, None] = OrderedDict()
        self.heart: Heart | None = None

    @abstractmethod
    def send(self, message: Message) -> None:
        """Send one message and return when the receiver has it.

        Raises:
            BadItem: it will never take this message.
            AccessDenied: it does not let us in.
            Failed: it answered that it failed.
            Unavailable: it gave no answer, or is busy.
        """

    def items(self, record: Record) -> list[Notice]:
        """The alert of a record, if it is wanted and was not told yet.

        Raises:
            ValueError: it is no event.
        """
        event = event_of(record)
        if not isinstance(event, Alert) or event.event_id in self._told or not self._filter.wants(event):
            return []
        return [Notice(event, from_millis(record.arrived_ms))]

    def kind(self, item: Notice) -> str:
        """The patient: their alerts are told in order, whatever becomes of those of others."""
        return item.alert.patient_id

    def later(self, items: Sequence[Notice]) -> list[int]:
        """Those that have to wait: for the end of quiet hours or of a flood, or because only they fail."""
        resting = {place for message, places in self._messages(items) if self._patience.rests(message.message_id)
                   for place in places}  # fmt: skip
        awake = [place for place in range(len(items)) if place not in resting]
        return [*resting, *(awake[place] for place in self._pace.later([items[place] for place in awake]))]

    def refresh(self) -> None:
        """Say that everybody is there, where that is due (`connectors.sinks.writer.Standing`)."""
        if self.heart is not None:
            self.heart.beat()

    def write(self, items: Sequence[Notice]) -> None:
        """Send what is not told yet.

        Raises:
            BadItem, AccessDenied, Unavailable: as `send`.
            TooSlow: there is more than can be sent in a while.
        """
        refused: dict[int, str] = {}
        among: set[int] = set()
        until = time.monotonic() + LONGEST_WRITE
        for message, places in sorted(self._messages(items), key=lambda one: self._patience.fails(one[0].message_id)):
            if time.monotonic() > until:
                raise TooSlow(f"more than {LONGEST_WRITE:.0f} s for {len(items)} alerts")
            try:
                self._send([items[place] for place in places], message)
            except BadItem as refusal:
                if len(places) == 1:
                    refused[places[0]] = str(refusal)
                else:
                    among |= set(places)
        if refused or among:
            raise BadItem("refused", refused=refused, among=among)

    def _send(self, notices: Sequence[Notice], message: Message) -> None:
        try:
            self.send(message)
        except Unavailable as error:
            if self._patience.ended(message.message_id, answered=isinstance(error, Failed)):
                raise BadItem(f"the receiver fails at it again and again: {error}") from None
            raise
        self._patience.took(message.message_id)
        self._pace.sent(notices)
        if self.heart is not None:
            self.heart.told += len(message.alerts)
        for notice in notices:
            self._told[notice.alert.event_id] = None
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    def _messages(self, items: Sequence[Notice]) -> Iterator[tuple[Message, list[int]]]:
        """What is to be sent, each with the places of its items."""
        together: dict[tuple[bool, str], list[int]] = {}
        for place, item in enumerate(items):
            if item.alert.event_id not in self._told:
                summary = self._pace.in_summary(item)
                together.setdefault((summary, "" if summary else self._key(item)), []).append(place)
        for (summary, _), places in together.items():
            once = {items[place].alert.event_id: items[place].alert for place in places}
            yield Message(tuple(once.values()), summary), places

    def _key(self, notice: Notice) -> str:
        """What the notices of one message share."""
        alert = notice.alert
        return {"no": alert.event_id, "patient": alert.patient_id, "all": "all"}[self.together]
