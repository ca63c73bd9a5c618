"""A subscriber that keeps what it sends, and settings for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from connectors.kafka.records import Record
from connectors.sinks.telling.message import Message
from connectors.sinks.telling.settings import SubscriberSettings
from connectors.sinks.telling.subscriber import Failed, Subscriber
from connectors.sinks.writer import BadItem, Unavailable
from tests import factories as make
from twin.events import Alert, AlertPhase, encode, to_millis

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)

OVER: AlertPhase = "end"


class Settings(SubscriberSettings, env_prefix="DOSETWIN_TOLD_"):
    """Of a subscriber for tests."""


class Told(Subscriber):
    """Keeps messages; refuses or fails at alerts whose text says so."""

    def __init__(self, now: Callable[[], datetime] = lambda: NOON, **given: Any) -> None:
        super().__init__(Settings(**given), now)
        self.messages: list[Message] = []
        self.failures: Iterator[str] = iter(())

    def send(self, message: Message) -> None:
        if next(self.failures, ""):
            raise Unavailable("away")
        for alert in message.alerts:
            if alert.text == "bad":
                raise BadItem("bad")
            if alert.text == "fails":
                raise Failed("HTTP 500")
        self.messages.append(message)

    def take(self, *alerts: Alert, arrived: datetime = NOON) -> list[Any]:
        """The notices of alerts that came in."""
        found = []
        for alert in alerts:
            found += self.items(Record("twin.alerts", 0, 0, to_millis(arrived), b"P", encode(alert)))
        return found

    def texts(self) -> list[list[str]]:
        """What was sent, as the texts of each message."""
        return [[alert.text for alert in message.alerts] for message in self.messages]


def alert(patient: str = "P-1", rule: str = "tox.x", revision: int = 0, **given: Any) -> Alert:
    """An alert of noon, low if nothing else is said."""
    given = {"severity": "low"} | given
    return make.alert(patient, NOON, rule, revision=revision, **given)
