"""Alerts over HTTP to a real receiver that proves them, whatever it answers and while it is away."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Library

from connectors.settings import SettingsError, load_settings
from connectors.sinks.subscribers.webhook import Settings, Webhook, open_writer, payload
from connectors.sinks.telling import http_answers
from connectors.sinks.telling.http_answers import NoMoreWanted
from connectors.sinks.telling.message import Message
from connectors.sinks.telling.pace import Notice
from connectors.sinks.writer import AccessDenied, BadItem, Unavailable
from connectors.webhooks import new_secret
from tests.connectors.sinks.subscribers.receiver import Answer, Receiver
from tests.connectors.sinks.telling.told import NOON, alert
from twin.events import Alert, decode_output, encode


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with receiver.up():
        yield receiver


def settings(receiver: Receiver, **given: Any) -> Settings:
    return Settings(**{"url": receiver.url, "secret": receiver.secret} | given)


def told(receiver: Receiver, *alerts: Alert, **given: Any) -> None:
    with open_writer(settings(receiver, **given)) as writer:
        writer.write([Notice(one, NOON) for one in alerts])


def test_each_alert_is_a_message_of_its_own_under_its_own_id(receiver: Receiver) -> None:
    both = alert(text="fever ≥ 38 °C"), alert("P-2", severity="high")
    told(receiver, *both, authorization="Bearer one")
    assert receiver.ids == [one.event_id for one in both]
    assert [said["type"] for said in receiver.messages] == ["alert.start"] * 2
    assert [decode_output(json.dumps(said["data"]).encode()) for said in receiver.messages] == list(both)
    assert {headers["authorization"] for headers in receiver.headers} == {"Bearer one"}


def test_a_summary_holds_every_alert_that_waited() -> None:
    both = alert(), alert("P-2")
    said = json.loads(payload(Message(both, summary=True)))
    assert (said["type"], said["timestamp"]) == ("alert.summary", "2026-01-05T12:00:00Z")
    assert [one["event_id"] for one in said["data"]["alerts"]] == [one.event_id for one in both]


def test_while_a_secret_is_changed_both_prove_it(receiver: Receiver) -> None:
    old, new = receiver.secret, new_secret()
    told(receiver, alert(), secret=f"{new} {old}")
    (headers,) = receiver.headers
    body = payload(Message((alert(),)))
    for secret in (old, new):
        Library(secret).verify(body, headers)
    with pytest.raises(Exception, match="No matching signature"):
        Library(new_secret()).verify(body, headers)


def test_nothing_is_sent_to_where_a_receiver_redirects(receiver: Receiver) -> None:
    receiver.answers = lambda _: Answer(307, {"location": f"{receiver.url}/elsewhere"})
    with pytest.raises(AccessDenied, match="set its address"):
        told(receiver, alert())
    assert receiver.asked == ["/alerts"]


def test_a_message_that_is_refused_is_named_with_what_the_receiver_says(receiver: Receiver) -> None:
    receiver.answers = lambda said: Answer(422, body=b"unknown") if said["data"]["patient_id"] == "P-1" else Answer()
    with pytest.raises(BadItem) as refusal:
        told(receiver, alert(), alert("P-2"))
    assert refusal.value.refused == {0: "HTTP 422: unknown"}
    assert receiver.ids == [alert("P-2").event_id]


def test_a_busy_receiver_is_left_alone_as_long_as_it_asks(receiver: Receiver) -> None:
    receiver.answers = lambda _: Answer(503, {"retry-after": "30"})
    with pytest.raises(Unavailable) as busy:
        told(receiver, alert())
    assert busy.value.retry_after == 30


def test_a_receiver_that_wants_no_more_ends_it(receiver: Receiver) -> None:
    receiver.answers = lambda _: Answer(410)
    with pytest.raises(NoMoreWanted):
        told(receiver, alert())


def test_a_receiver_that_is_slow_or_away_is_tried_again(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Receiver(port=1)
    with pytest.raises(Unavailable, match="ConnectError"):
        told(gone, alert())
    wait = threading.Event()
    receiver.answers = lambda _: Answer(204 if wait.wait(60) else 500)
    monkeypatch.setattr(http_answers, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(Unavailable, match=r"no answer in 0\.2 s"):
        told(receiver, alert())
    wait.set()


def test_a_receiver_whose_certificate_nobody_vouches_for_is_told_nothing(tmp_path: Path) -> None:
    from tests.connectors.listeners.certificates import make_certificates

    folder = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    receiver = Receiver(tls=context)
    with receiver.up():
        with pytest.raises(Unavailable, match=r"ConnectError.*certificate verify failed"):
            told(receiver, alert())
        told(receiver, alert(), authority=folder / "ward.pem")
    assert receiver.ids == [alert().event_id]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "http://receiver.example"}, "DOSETWIN_WEBHOOK_URL='http://receiver.example': .*use https"),
        ({"secret": "whsec_c2hvcnQ="}, r"DOSETWIN_WEBHOOK_SECRET=\(hidden\): .*no secret"),
        ({"secret": None}, "DOSETWIN_WEBHOOK_SECRET is not set"),
        ({"authorization": "a\r\nb: c"}, r"DOSETWIN_WEBHOOK_AUTHORIZATION=\(hidden\): .*one line"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_without_showing_secrets(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(Settings, **{"url": "https://receiver.example", "secret": new_secret()} | given)


def test_a_writer_gives_back_the_same_bytes_for_the_same_alert() -> None:
    again = decode_output(encode(alert()))
    assert isinstance(again, Alert)
    assert payload(Message((again,))) == payload(Message((alert(),)))
    assert Webhook.together == "no"
