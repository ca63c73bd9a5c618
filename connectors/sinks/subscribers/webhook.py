"""Alerts to a receiver over HTTP, signed as Standard Webhooks are.

Each alert is a message of its own, whose ``webhook-id`` is the alert's ``event_id``; a summary has one of its own. A
message that is sent again is the same bytes under the same id, signed anew, for a receiver takes no signature that is
older than minutes. Several secrets, with blanks between them, sign side by side while one is changed for another. A
message of type ``heartbeat`` says every so many minutes, where that is wanted, that everybody is there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import httpx2
from pydantic import Field, field_validator

from connectors import webhooks
from connectors.kafka.topics import ALERTS
from connectors.settings import Settings as Surroundings
from connectors.sinks.telling.heartbeat import Heart, StillHere, every, workers_of
from connectors.sinks.telling.http_answers import checked_header, checked_url, open_client, post
from connectors.sinks.telling.message import Message
from connectors.sinks.telling.settings import SubscriberSettings
from connectors.sinks.telling.subscriber import Subscriber, utc_now
from twin.events import event_id

SINK = "webhook"

TOPICS = (ALERTS,)


class Settings(SubscriberSettings, env_prefix="DOSETWIN_WEBHOOK_"):
    """Where the receiver is, and what proves to it that we are who we say."""

    url: str = Field(description="address of the receiver; https unless it is on this machine")
    secret: str = Field(repr=False, description="what signs, as 'dosetwin listen secret' makes it; several with blanks")
    authorization: str = Field("", repr=False, description="header Authorization, for a receiver that asks for one")
    authority: Path | None = Field(None, description="PEM file of the receiver's authority, if not one of the system's")
    heartbeat_minutes: float = Field(
        0.0, ge=0, le=1440, description="minutes between two heartbeats, sent while all workers live; 0: none"
    )

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return checked_url(value)

    @field_validator("secret")
    @classmethod
    def _secret(cls, value: str) -> str:
        webhooks.keys_of(value)
        return value

    @field_validator("authorization")
    @classmethod
    def _header(cls, value: str) -> str:
        return checked_header(value)


@contextmanager
def open_writer(settings: Settings, surroundings: Surroundings | None = None) -> Iterator[Webhook]:
    """A writer to the receiver of ``settings``, which need not be up yet; its connections are closed at the end."""
    with open_client(settings.authority) as client:
        writer = Webhook(settings, client)
        if settings.heartbeat_minutes and surroundings is not None:
            span = timedelta(minutes=settings.heartbeat_minutes)
            writer.heart = Heart(every(span), partial(workers_of, surroundings), writer.say_still_here, utc_now)
        yield writer


class Webhook(Subscriber):
    """``seconds`` gives the time that is signed (since 1970)."""

    def __init__(
        self,
        settings: Settings,
        client: httpx2.Client,
        now: Callable[[], datetime] = utc_now,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(settings, now)
        self._client, self._url, self._seconds = client, settings.url, seconds
        self._keys = webhooks.keys_of(settings.secret)
        self._opens = {"authorization": settings.authorization} if settings.authorization else {}

    def send(self, message: Message) -> None:
        """Post it, signed under every secret."""
        self._post(message.message_id, payload(message))

    def say_still_here(self, still: StillHere) -> None:
        """Post a heartbeat, signed in the same way."""
        self._post(event_id("heartbeat", self._url, still.time.isoformat()), heartbeat(still))

    def _post(self, message_id: str, body: bytes) -> None:
        signed = webhooks.signed(self._keys, message_id, int(self._seconds()), body)
        plain = {"content-type": "application/json", "user-agent": "dosetwin"}
        post(self._client, self._url, body, plain | self._opens | signed, self._seconds)


def payload(message: Message) -> bytes:
    """The body: ``type``, ``timestamp`` (event time) and ``data``, as the standard proposes.

    The data of ``alert.PHASE`` are the alert as it stands on its topic, those of ``alert.summary`` all ``alerts`` that
    had to wait, in the order in which they came.
    """
    alerts = [alert.model_dump(mode="json", exclude_none=True) for alert in message.alerts]
    newest = max(message.alerts, key=lambda alert: alert.time)
    kind = "summary" if message.summary else newest.phase
    said = {
        "type": f"alert.{kind}",
        "timestamp": newest.model_dump(mode="json", include={"time"})["time"],
        "data": {"alerts": alerts} if message.summary else alerts[0],
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def heartbeat(still: StillHere) -> bytes:
    """The body of a heartbeat: its ``data`` are how the workers are, and how many alerts were told since the last."""
    data = still.workers._asdict() | {"told": still.told}
    said = {"type": "heartbeat", "timestamp": still.time.isoformat(timespec="milliseconds"), "data": data}
    return json.dumps(said, separators=(",", ":")).encode()
