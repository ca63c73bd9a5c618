"""Events as publications of MQTT 5, and a real sender of them: our own JSON, with the patient in the topic.

What no device or laboratory says stays our own JSON on the topics of Kafka: enrolment, the clock, and bindings of
devices, which a way in gives to those who look after devices. A broker that has nobody to give a publication to says
so, and it is published again; so nothing is lost before somebody has subscribed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from connectors.services.ports import joined
from connectors.speaking.counts import Counts
from connectors.speaking.place import place_of
from twin.events import (
    AdviceRequested,
    AlertAction,
    ClinicalEnvelope,
    DeviceAssociation,
    Enrolment,
    InputEvent,
    Release,
)

TOPIC = "dosetwin/v1/ingest/ward/"
"""Before the patient's id."""

AGAIN_SECONDS = 1.0
"""Before a publication is sent again that nobody was there for."""

LOOK_SECONDS = 0.2

NOBODY_SUBSCRIBED, FAILED = 0x10, 0x80
"""Reason codes of PUBACK (MQTT 5, table 3-4): no matching subscribers, and from which on it was refused."""

_PLAIN = (Enrolment, Release, AlertAction, AdviceRequested, DeviceAssociation)


class Publication(NamedTuple):
    """What is published, and the kind of event in it."""

    kind: str
    topic: str
    payload: bytes


def publication(event: InputEvent, _: datetime) -> Publication | None:
    """The publication that says this event; None where no source says that over MQTT."""
    if not isinstance(event, ClinicalEnvelope) or isinstance(event, _PLAIN):
        return None
    payload = event.model_dump_json(exclude={"source", "patient_id"}, exclude_none=True)
    return Publication(str(event.kind), TOPIC + event.patient_id, payload.encode())


class MqttSender:
    """A client of the broker at ``host:port``, connected when there is something to publish.

    Args:
        address: of the broker.
        stopped: whether to give up.
        counts: what became of the publications.
        sleep: for a while, in seconds; given so that a test needs no time.
    """

    def __init__(
        self, address: str, stopped: Callable[[], bool], counts: Counts, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._place = place_of(address, 1883)
        self._stopped, self._counts, self._sleep = stopped, counts, sleep
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_publish = self._confirmed
        self._running = False
        self._codes: dict[int, int] = {}

    def send(self, said: Publication) -> bool:
        """Whether the broker has taken it for somebody; False where it refuses it, or where it is to stop."""
        while not self._stopped():
            code = self._code(said)
            if code is None or code == NOBODY_SUBSCRIBED:
                self._counts.waited(joined(*self._place))
                self._sleep(AGAIN_SECONDS)
            elif code >= FAILED:
                self._counts.refused(f"{said.kind}: the broker answered with reason code {code:#04x}")
                return False
            else:
                self._counts.accepted(said.kind)
                return True
        return False

    def close(self) -> None:
        """Let go of the connection."""
        if self._running:
            self._client.disconnect()
            self._client.loop_stop()

    def _code(self, said: Publication) -> int | None:
        """The reason code of the broker's answer; None where there is no broker, or where it is to stop."""
        if not self._running:
            try:
                self._client.connect(*self._place)
            except OSError:
                return None
            self._client.loop_start()
            self._running = True
        published = self._client.publish(said.topic, said.payload, qos=1)
        while published.mid not in self._codes:
            if self._stopped():
                return None
            published.wait_for_publish(LOOK_SECONDS)
        return self._codes.pop(published.mid)

    def _confirmed(self, _client: object, _userdata: object, mid: int, code: Any, _properties: object) -> None:
        self._codes[mid] = code.value
