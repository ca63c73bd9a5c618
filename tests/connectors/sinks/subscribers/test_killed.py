"""Subscribers as processes on a real Kafka: killed under load they lose nothing, and what was refused is sent again."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.kafka.clients import open_producer
from connectors.kafka.topics import ALERTS, ensure_topics
from connectors.settings import Settings
from streams.cli import app
from streams.doctor.readers import check_sinks
from tests import factories as make
from tests.connectors.sinks.subscribers.heard import Heard
from tests.connectors.sinks.subscribers.mail_server import MailServer
from tests.connectors.sinks.subscribers.receiver import Answer, Receiver
from tests.mosquitto import Mosquitto
from tests.streams.worker.forks import Forked
from twin.events import Alert, decode_output, encode, event_id

SINKS = ("webhook", "email", "mqtt-publish")


class Subscribed:
    """``dosetwin sink NAME`` for each of `SINKS` on topics of their own, started again as often as they are killed."""

    def __init__(self, kafka: str, folder: Path, **environment: str) -> None:
        self.settings = Settings(kafka=kafka, topic_prefix=f"told-{uuid.uuid4().hex[:8]}.", partitions=2)
        ensure_topics(kafka, self.settings.topic_prefix, 2)
        own = {"KAFKA": kafka, "TOPIC_PREFIX": self.settings.topic_prefix, "PARTITIONS": "2"} | environment
        self.environment = {f"DOSETWIN_{name}": text for name, text in own.items()}
        self._log = folder / "log"
        self._processes: list[Forked] = []

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._processes = [Forked(["sink", name], os.environ | self.environment, log.fileno()) for name in SINKS]

    def kill(self) -> None:
        for process in self._processes:
            assert process.poll() is None, self._log.read_text()
            process.kill()
            process.wait(60)

    def publish(self, *alerts: Alert) -> None:
        producer = open_producer(self.settings.kafka, acks="all")
        for one in alerts:
            producer.send(self.settings.topic_prefix + ALERTS, key=one.patient_id.encode(), value=encode(one))
        producer.flush()
        producer.close()

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + 240
        while not true():
            assert time.monotonic() < end, self._log.read_text()
            assert all(process.poll() is None for process in self._processes), self._log.read_text()
            time.sleep(0.05)


def alerts(count: int) -> list[Alert]:
    """Of a few patients, one after another."""
    return [make.alert(f"P-{n % 7}", make.at(n)) for n in range(count)]


def in_order(ids: list[str], said: list[Alert]) -> bool:
    """Whether all was told, of each patient first what came first."""
    place = {one: number for number, one in enumerate(dict.fromkeys(ids))}
    by_patient: dict[str, list[int]] = {}
    for one in said:
        by_patient.setdefault(one.patient_id, []).append(place[one.event_id])
    return all(places == sorted(places) for places in by_patient.values())


@pytest.mark.timeout(900)
def test_killed_subscribers_lose_no_alert_and_a_refused_one_is_sent_again_to_who_refused_it(
    kafka: str, broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, mails, heard, refused = Receiver(), MailServer(), Heard(), make.alert("P-9")
    mended: list[bool] = []
    receiver.answers = lambda said: Answer(204 if mended or said["data"]["patient_id"] != "P-9" else 422)
    with receiver.up():
        pass  # its port is known, and it is down
    own = {
        "WEBHOOK_URL": receiver.url, "WEBHOOK_SECRET": receiver.secret, "WEBHOOK_FLOOD": "0",
        "EMAIL_SERVER": f"127.0.0.1:{mails.port}", "EMAIL_SECURITY": "plain", "EMAIL_FLOOD": "0",
        "EMAIL_SENDER": "twin@ward.example", "EMAIL_RECIPIENTS": "doctor@ward.example",
        "MQTT_PUBLISH_BROKER": f"127.0.0.1:{broker.port}", "MQTT_PUBLISH_CLIENT_ID": uuid.uuid4().hex,
        "MQTT_PUBLISH_TOPIC": f"killed/{(root := uuid.uuid4().hex)}/{{patient}}",
    }  # fmt: skip
    sinks = Subscribed(kafka, tmp_path, **own)

    def mailed() -> list[str]:
        found = [re.findall(r"alert (\S+), revision 0", mail.get_content()) for mail in mails.mails]
        return [event_id(identity, 0) for identities in found for identity in identities]

    def published() -> list[str]:
        return [event.event_id for _, payload in heard.said if (event := decode_output(payload))]

    said = alerts(140)
    wanted = {one.event_id for one in said}
    sinks.publish(*said[:40], refused, *said[40:])
    sinks.start()
    with heard.subscribed(broker.port, f"killed/{root}/#"):
        with receiver.up(), mails.up():
            sinks.until(lambda: len(receiver.ids) > 20 and bool(mails.mails) and len(heard.said) > 20)
            sinks.kill()
        sinks.start()
        with receiver.up(), mails.up():
            for ids in (lambda: receiver.ids, mailed, published):
                sinks.until(lambda ids=ids: wanted <= set(ids()))  # type: ignore[misc]
                assert in_order(ids(), said)
            found = {finding.subject: finding.seen for finding in check_sinks(sinks.settings)}
            assert found.keys() == {f"sink {name}" for name in SINKS}
            assert all(seen.startswith("runs") for seen in found.values())
            sinks.until(lambda: refused.event_id in mailed() and refused.event_id in published())
            mended.append(True)
            for name, text in sinks.environment.items():
                monkeypatch.setenv(name, text)
            resend = ["rejected", "resend", "--reason", "webhook_refused"]
            sinks.until(lambda: "1 of 1 sent again" in CliRunner().invoke(app, resend).stdout)
            sinks.until(lambda: refused.event_id in receiver.ids)
    sinks.kill()
