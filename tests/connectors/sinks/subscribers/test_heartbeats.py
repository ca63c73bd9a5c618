"""Real receivers hear that everybody is there for as long as the workers of all partitions say that they live."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.kafka.clients import open_producer
from connectors.kafka.topics import HEARTBEATS, ensure_topics
from connectors.settings import PartSettings, SettingsError, load_settings
from connectors.settings import Settings as Surroundings
from connectors.sinks import open_sink, sinks
from connectors.sinks.subscribers import alertmanager as manager
from connectors.sinks.subscribers import mail, webhook
from connectors.sinks.telling.heartbeat import StillHere, Workers
from tests import alertmanager
from tests import factories as make
from tests.connectors.console.bench import eventually
from tests.connectors.sinks.subscribers.mail_server import MailServer
from tests.connectors.sinks.subscribers.receiver import Receiver
from twin.events import encode

HERE = {"sender": "twin@ward.example", "recipients": "doctor@ward.example"}


class Ward:
    """Topics of its own, whose workers say what they are told to say."""

    def __init__(self, kafka: str) -> None:
        self.settings = Surroundings(kafka=kafka, topic_prefix=f"h{uuid.uuid4().hex[:8]}.", partitions=2)
        ensure_topics(kafka, self.settings.topic_prefix, 2)
        self._producer = open_producer(kafka, acks="all")

    def say(self, state: str, *partitions: int) -> None:
        for partition in partitions:
            beat = make.heartbeat(partition, datetime.now(UTC), state=state, partitions=2, lag=3)
            topic = self.settings.topic_prefix + HEARTBEATS
            self._producer.send(topic, key=str(partition).encode(), value=encode(beat), partition=partition)
        self._producer.flush()

    def lives_until(self, condition: Callable[[], bool]) -> None:
        """The workers say that they live until something has happened."""

        def spoken() -> bool:
            self.say("behind", 0, 1)
            return condition()

        eventually(spoken)

    @contextmanager
    def told_by(self, name: str, its: PartSettings, **known: Any) -> Iterator[None]:
        """The sink at work; its writer is opened with what is ``known`` besides."""
        (offer,) = (one for one in sinks().offers if name == one.SINK)
        sink: Any = SimpleNamespace(
            SINK=offer.SINK, TOPICS=offer.TOPICS, open_writer=partial(offer.open_writer, **known)
        )
        stop = threading.Event()
        with open_sink(sink, self.settings, its) as delivery:
            thread = threading.Thread(target=delivery.run, args=(stop,))
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join(60)
                assert not thread.is_alive()
                self._producer.close()


def test_a_webhook_hears_it_while_all_workers_live(kafka: str) -> None:
    ward, receiver = Ward(kafka), Receiver()
    its = webhook.Settings(url="http://127.0.0.1:1/", secret=receiver.secret, heartbeat_minutes=0.005)
    ward.say("live", 0, 1)
    with receiver.up(), ward.told_by("webhook", its.model_copy(update={"url": receiver.url})):
        ward.lives_until(lambda: len(receiver.messages) > 1)
        ward.say("stopped", 1)
        heard = receiver.messages[0]
        assert heard["type"] == "heartbeat"
        assert heard["data"] == {"partitions": 2, "lag": 6, "behind_seconds": 12.5, "sealed": 2, "told": 0}
        assert len(set(receiver.ids)) == len(receiver.ids)
        eventually(lambda: _is_quiet(receiver))


def _is_quiet(receiver: Receiver) -> bool:
    before = len(receiver.messages)
    threading.Event().wait(3.0)
    return len(receiver.messages) == before


def test_without_being_asked_nobody_sends_any(kafka: str) -> None:
    ward, receiver = Ward(kafka), Receiver()
    ward.say("live", 0, 1)
    with receiver.up():
        its = webhook.Settings(url=receiver.url, secret=receiver.secret)
        with ward.told_by("webhook", its):
            assert _is_quiet(receiver)
    assert receiver.messages == []


def test_a_mail_a_day_says_it_at_its_time(kafka: str) -> None:
    ward, server = Ward(kafka), MailServer()
    ward.say("live", 0, 1)
    begun = datetime.now(UTC)
    soon = (begun + timedelta(minutes=2)).replace(second=0, microsecond=0)
    ahead = soon - timedelta(seconds=3) - begun
    with server.up():
        its = mail.Settings(**HERE, server=f"127.0.0.1:{server.port}", security="plain", heartbeat_at=f"{soon:%H:%M}")
        with ward.told_by("email", its, now=lambda: datetime.now(UTC) + ahead):
            assert server.mails == []
            while not server.mails:
                ward.say("live", 0, 1)
                threading.Event().wait(0.5)
                assert datetime.now(UTC) < begun + timedelta(seconds=60)
            told = datetime.now(UTC)
    assert told > soon - ahead
    (only,) = server.mails
    assert only["Subject"] == "[dosetwin] Still here: 0 alerts told since the last such mail"
    assert "All 2 partitions have a worker that lives; 6 records wait" in only.get_content()


def test_the_mail_of_a_day_has_one_id() -> None:
    its = mail.Settings(**HERE)
    one, again, next_day = (
        mail.still_here(StillHere(datetime(2026, 1, day, hour, tzinfo=UTC), Workers(2, 0, 0.0, 0), 0), its)
        for day, hour in ((5, 7), (5, 8), (6, 7))
    )
    assert one["Message-ID"] == again["Message-ID"] != next_day["Message-ID"]


def test_a_watchdog_stands_at_the_real_alertmanager_until_a_worker_is_gone(
    kafka: str, alerts_there: alertmanager.Alertmanager
) -> None:
    ward = Ward(kafka)
    ward.say("live", 0, 1)
    its = manager.Settings(url=alerts_there.url, expires_minutes=0.1, watchdog=True)

    def ends() -> str:
        found: dict[str, Any] = alerts_there.standing().get(manager.WATCHDOG, {})
        return str(found.get("endsAt", ""))

    with ward.told_by("alertmanager", its):
        ward.lives_until(lambda: ends() != "")
        first = ends()
        ward.lives_until(lambda: ends() > first)
        ward.say("stopped", 0)
        eventually(lambda: ends() == "")

    def told() -> list[str]:
        heard = alerts_there.receiver.told
        return [one["status"] for one in heard if one["labels"]["alertname"] == manager.WATCHDOG]

    eventually(lambda: told() == ["firing", "resolved"])


@pytest.mark.parametrize(
    ("its", "given", "says"),
    [
        (webhook.Settings, {"url": "http://127.0.0.1:1/", "secret": "", "heartbeat_minutes": -1}, "HEARTBEAT_MINUTES"),
        (mail.Settings, HERE | {"heartbeat_at": "soon"}, "write a time of day as 07:00"),
    ],
)
def test_what_is_no_interval_or_time_is_named(its: Any, given: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load_settings(its, **given)


def test_its_body_is_plain_json() -> None:
    still = StillHere(datetime(2026, 1, 5, 7, tzinfo=UTC), Workers(2, 5, 12.5, 1), 4)
    assert json.loads(webhook.heartbeat(still)) == {
        "type": "heartbeat",
        "timestamp": "2026-01-05T07:00:00.000+00:00",
        "data": {"partitions": 2, "lag": 5, "behind_seconds": 12.5, "sealed": 1, "told": 4},
    }
