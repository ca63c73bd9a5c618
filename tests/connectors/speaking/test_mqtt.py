"""What is published over MQTT is read as it was said, and is published again until somebody has subscribed."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from connectors.speaking.counts import Counts
from connectors.speaking.mqtt import TOPIC, MqttSender, Publication, publication
from tests.mosquitto import Mosquitto
from twin.events import INPUT_EVENTS, InputEvent

NOW = datetime(2026, 3, 9, tzinfo=UTC)


def test_all_that_devices_and_laboratories_say_is_published_as_it_is() -> None:
    plain = set()
    for kind in INPUT_EVENTS:
        event: InputEvent = kind.example()
        said = publication(event, NOW)
        if said is None:
            plain.add(str(event.kind))
            continue
        whole = json.loads(said.payload) | {"source": event.source, "patient_id": said.topic.removeprefix(TOPIC)}
        assert kind.model_validate_json(json.dumps(whole)) == event
        assert said.kind == event.kind
    of_people = {"enrolment", "release", "clock", "device_association", "alert_action", "advice_requested"}
    assert plain == of_people | {"model_move"}


def test_a_publication_waits_for_a_subscriber_and_then_arrives(broker: Mosquitto) -> None:
    topic, told, heard = f"t{uuid.uuid4().hex[:8]}", list[str](), list[bytes]()
    listener = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    listener.on_message = lambda _client, _userdata, message: heard.append(message.payload)
    listener.connect("127.0.0.1", broker.port)

    def subscribe(_: float) -> None:
        listener.subscribe(topic, qos=1)
        listener.loop(1.0)

    counts = Counts(told.append)
    sender = MqttSender(f"127.0.0.1:{broker.port}", lambda: False, counts, subscribe)
    assert sender.send(Publication("lab_result", topic, b"{}"))
    sender.close()
    while not heard:
        listener.loop(1.0)
    listener.disconnect()
    assert (heard, counts.by_kind) == ([b"{}"], {"lab_result": 1})
    assert counts.sent_again >= 1
    assert told == [f"nobody answers at 127.0.0.1:{broker.port} yet; waiting."]


def test_what_the_broker_refuses_is_told_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(MqttSender, "_code", lambda _self, _said: 0x87)
    counts = Counts(told.append)
    assert not MqttSender("127.0.0.1:1", lambda: False, counts).send(Publication("lab_result", "t", b"{}"))
    assert (counts.refusals, told) == (1, ["lab_result: the broker answered with reason code 0x87"])


def test_a_stop_ends_the_waiting_and_an_address_is_one() -> None:
    stops = iter([False, True])
    counts = Counts(lambda _: None)
    sender = MqttSender("127.0.0.1:1", lambda: next(stops), counts, lambda _: None)
    assert not sender.send(Publication("lab_result", "t", b"{}"))
    sender.close()
    with pytest.raises(ValueError, match="host:port"):
        MqttSender("localhost", lambda: False, counts)
