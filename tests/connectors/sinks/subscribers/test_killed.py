"""Subscribers as processes on a real Kafka: killed under load they lose nothing, and what was refused is sent again."""

from __future__ import annotations

import os
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
from tests import factories as make
from tests.connectors.sinks.subscribers.receiver import Answer, Receiver
from tests.streams.worker.forks import Forked
from twin.events import Alert, encode


class Subscribed:
    """``dosetwin sink NAME`` on topics of its own, started again as often as it is killed."""

    def __init__(self, name: str, kafka: str, folder: Path, **environment: str) -> None:
        self.settings = Settings(kafka=kafka, topic_prefix=f"told-{uuid.uuid4().hex[:8]}.", partitions=2)
        ensure_topics(kafka, self.settings.topic_prefix, 2)
        own = {"DOSETWIN_KAFKA": kafka, "DOSETWIN_TOPIC_PREFIX": self.settings.topic_prefix, "DOSETWIN_PARTITIONS": "2"}
        self.environment = os.environ | own | environment
        self._name, self._log = name, folder / "log"
        self._process: Forked | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = Forked(["sink", self._name], self.environment, log.fileno())

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        self._process.kill()
        self._process.wait(60)

    def publish(self, *alerts: Alert) -> None:
        producer = open_producer(self.settings.kafka, acks="all")
        for one in alerts:
            producer.send(self.settings.topic_prefix + ALERTS, key=one.patient_id.encode(), value=encode(one))
        producer.flush()
        producer.close()

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + 200
        while not true():
            assert time.monotonic() < end, self._log.read_text()
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.02)


def alerts(count: int) -> list[Alert]:
    """Of a few patients, each with its revisions in order."""
    return [make.alert(f"P-{n % 7}", revision=n // 7, phase="update") for n in range(count)]


@pytest.mark.timeout(600)
def test_a_killed_webhook_loses_no_alert_and_a_refused_one_is_sent_again_to_it_alone(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, refused = Receiver(), make.alert("P-9")
    mended: list[bool] = []
    receiver.answers = lambda said: Answer(204 if mended or said["data"]["patient_id"] != "P-9" else 422)
    with receiver.up():
        pass  # its port is known, and it is down
    own = {"URL": receiver.url, "SECRET": receiver.secret, "FLOOD": "0"}
    sink = Subscribed("webhook", kafka, tmp_path, **{f"DOSETWIN_WEBHOOK_{name}": text for name, text in own.items()})
    said = alerts(350)
    sink.publish(*said[:100], refused, *said[100:])
    sink.start()
    with receiver.up():
        sink.until(lambda: len(receiver.ids) > 50)
        sink.kill()
    sink.start()
    with receiver.up():
        sink.until(lambda: {one.event_id for one in said} <= set(receiver.ids))
        for patient in {one.patient_id for one in said}:
            of_one = [one.event_id for one in said if one.patient_id == patient]
            first = dict.fromkeys(one for one in receiver.ids if one in set(of_one))
            assert list(first) == of_one, "told out of order"
        mended.append(True)
        for name in ("DOSETWIN_KAFKA", "DOSETWIN_TOPIC_PREFIX", "DOSETWIN_PARTITIONS"):
            monkeypatch.setenv(name, sink.environment[name])
        resend = ["rejected", "resend", "--reason", "webhook_refused"]
        sink.until(lambda: "1 of 1 sent again" in CliRunner().invoke(app, resend).stdout)
        sink.until(lambda: refused.event_id in receiver.ids)
    sink.kill()
