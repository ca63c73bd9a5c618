"""Alerts published over MQTT 5, QoS 1, and if wanted how each alert stands, retained.

Every alert is a publication of its own, the event as it stands on its topic in Kafka; those that had to wait come one
after another. It is told when the broker has acknowledged it for somebody: one that nobody subscribes to is published
again, for the broker would keep it for nobody. The retained publication of an alert that is over is taken away.
"""

from __future__ import annotations

import re
import ssl
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import Field, field_validator

from connectors.kafka.topics import ALERTS
from connectors.services.ports import LOCAL_HOSTS, parted
from connectors.sinks.telling.message import PLAIN_ID, Message
from connectors.sinks.telling.settings import SubscriberSettings
from connectors.sinks.telling.subscriber import Subscriber, utc_now
from connectors.sinks.writer import AccessDenied, BadItem, Unavailable
from connectors.tls import client_tls
from twin.events import Alert, encode, event_id

SINK = "mqtt-publish"

TOPICS = (ALERTS,)

TIMEOUT_SECONDS = 15.0
"""Longest wait for the broker's answer."""

NOBODY_SUBSCRIBED = 0x10
NOT_LET_IN = frozenset({0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x9D})
"""Reason codes (MQTT 5, 2.4): the broker wants another client, user, protocol, right or address."""
NEVER = frozenset({0x90, 0x95, 0x99, 0x9A, 0x9B})
"""The topic's name, the size, format, retain flag or QoS of this publication is not taken."""
FAILURE = 0x80
"""From here on a reason code says that it failed."""

REMEMBERED = 100_000
"""Alerts of which the newest published revision is known."""

PARTS = {"patient": "P-1", "rule": "tox.x", "alert": "a", "severity": "low"}
"""What may stand in braces in a topic, with examples."""


class Settings(SubscriberSettings, env_prefix="DOSETWIN_MQTT_PUBLISH_"):
    """Which broker, as whom, and under which topics."""

    broker: str = Field("127.0.0.1:1883", description="host:port of the broker")
    topic: str = Field(
        "dosetwin/v1/alerts/{patient}/{rule}",
        description="topic of an alert; {patient}, {rule}, {alert} and {severity} stand for its own",
    )
    state_topic: str = Field(
        "", description="topic that retains how an alert stands, as dosetwin/v1/standing/{patient}/{alert}; or none"
    )
    status_topic: str = Field("", description="topic on which online or offline is retained; by default none")
    needs_subscriber: bool = Field(True, description="publish again what nobody subscribes to; otherwise it is told")
    client_id: str = Field("dosetwin-alerts", min_length=1, max_length=64, description="of this client at the broker")
    username: str = Field("", description="user at the broker; none where it asks for nobody")
    password: str = Field("", repr=False, description="of that user")
    tls: bool = Field(False, description="TLS with the authorities that the system trusts")
    plain: bool = Field(False, description="let alerts go to another machine in the clear, within your own network")
    authority: Path | None = Field(None, description="PEM file of the broker's authority; asks for TLS")
    certificate: Path | None = Field(None, description="PEM file of our certificate, for a broker that wants one")
    key: Path | None = Field(None, description="PEM file of its key, if not in the same file")
    flood: int = Field(
        0, ge=0, le=10_000, description="messages in flood_minutes after which the rest waits; 0: no limit"
    )

    @field_validator("broker")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        parted(value)
        return value

    @field_validator("topic", "state_topic", "status_topic")
    @classmethod
    def _topic(cls, value: str) -> str:
        if unknown := set(re.findall(r"\{([^{}]*)\}", value)) - PARTS.keys():
            raise ValueError(f"{{{min(unknown)}}} is nothing that an alert has; write {', '.join(PARTS)} in braces")
        plain = _filled(value, PARTS)
        if set(plain) & set("{}+#\0") or value.startswith("$") or len(value.encode()) > 1_000:
            raise ValueError("write a topic without + and #, as dosetwin/v1/alerts/{patient}/{rule}")
        return value

    @field_validator("state_topic")
    @classmethod
    def _of_one_alert(cls, value: str) -> str:
        if value and ("{alert}" not in value or "{severity}" in value):
            raise ValueError("each alert has one topic of its own for ever: write {alert} into it, and not {severity}")
        return value


@contextmanager
def open_writer(settings: Settings, _: object = None) -> Iterator[Publisher]:
    """A writer to the broker of ``settings``, which need not be up yet; the connection is closed at the end.

    Raises:
        ValueError: TLS cannot be had as asked, or alerts would go to another machine in the clear.
    """
    tls = client_tls(settings.tls, settings.authority, settings.certificate, settings.key)
    if parted(settings.broker)[0] not in LOCAL_HOSTS and tls is None and not settings.plain:
        mend = "give --tls or --authority, or --plain within a network of your own"
        raise ValueError(f"--broker {settings.broker} would get alerts in the clear on another machine: {mend}")
    publisher = Publisher(settings, tls.context if tls is not None else None)
    try:
        yield publisher
    finally:
        publisher.close()


class Publisher(Subscriber):
    """Connects when there is something to publish, and anew after each failure."""

    def __init__(
        self, settings: Settings, tls: ssl.SSLContext | None = None, now: Callable[[], datetime] = utc_now
    ) -> None:
        super().__init__(settings, now)
        self._settings, self._tls = settings, tls
        self._connection: _Connection | None = None
        self._published: OrderedDict[str, int] = OrderedDict()

    def send(self, message: Message) -> None:
        """Publish its alerts, and how they stand now."""
        if self._connection is not None and self._connection.lost:
            self.close()
        if self._connection is None:
            self._connection = _Connection(self._settings, self._tls)
        try:
            for alert in message.alerts:
                self._publish(self._connection, alert)
        except Unavailable:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the broker; what it has not acknowledged is published anew."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _publish(self, connection: _Connection, alert: Alert) -> None:
        identity = alert.alert_id if re.fullmatch(PLAIN_ID, alert.alert_id) else event_id("alert", alert.alert_id)
        parts = {"patient": alert.patient_id, "rule": alert.rule, "alert": identity, "severity": alert.severity}
        said = encode(alert)
        if self._settings.state_topic and alert.revision >= self._published.get(alert.alert_id, 0):
            connection.publish(_filled(self._settings.state_topic, parts), said if alert.live else b"", retain=True)
            self._published[alert.alert_id] = alert.revision
            if len(self._published) > REMEMBERED:
                self._published.popitem(last=False)
        code = connection.publish(_filled(self._settings.topic, parts), said)
        if code == NOBODY_SUBSCRIBED and self._settings.needs_subscriber:
            raise Unavailable("nobody subscribes to the topic of an alert")


class _Connection:
    """One connection to the broker, open when it is made, until it is ``lost``."""

    def __init__(self, settings: Settings, tls: ssl.SSLContext | None) -> None:
        self._codes: dict[int, int] = {}
        self._answered = threading.Condition()
        self._connected: Any = None
        self.lost = False
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=settings.client_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_disconnect = self._on_disconnect
        if settings.username:
            self._client.username_pw_set(settings.username, settings.password)
        if tls is not None:
            self._client.tls_set_context(tls)
        if settings.status_topic:
            self._client.will_set(settings.status_topic, b"offline", qos=1, retain=True)
        self._client.connect_timeout = TIMEOUT_SECONDS
        self._status = settings.status_topic
        try:
            self._client.connect(*parted(settings.broker))
        except OSError as error:  # ssl.SSLError is one
            raise Unavailable(f"{type(error).__name__}: {error}") from None
        self._client.loop_start()
        try:
            self._await(lambda: self._connected is not None, "let us in")
            if self._refused():
                raise AccessDenied(f"the broker refuses us: {self._connected}; check client_id, user and password")
            if self._status:
                self.publish(self._status, b"online", retain=True)
        except Exception:
            self.close()
            raise

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """The reason code of the broker's answer, which is no failure.

        Raises:
            BadItem, AccessDenied, Unavailable: by the answer, or because there is none.
        """
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = "application/json"
        published = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        if published.rc != paho.MQTT_ERR_SUCCESS:
            raise Unavailable(f"the connection to the broker ended: {paho.error_string(published.rc)}")
        self._await(lambda: published.mid in self._codes, "acknowledged")
        code = self._codes.pop(published.mid)
        if code in NOT_LET_IN:
            raise AccessDenied(f"the broker refuses topic {topic}: reason code {code:#04x}; give this user the right")
        if code in NEVER:
            raise BadItem(f"the broker refuses this publication: reason code {code:#04x}")
        if code >= FAILURE:
            raise Unavailable(f"the broker answers with reason code {code:#04x}")
        return code

    def close(self) -> None:
        """Say good-bye, with the status of one that is away."""
        if self._status and self._connected is not None and not self._refused() and not self.lost:
            with suppress(RuntimeError):  # the connection has ended in this moment: the broker says it in our place
                self._client.publish(self._status, b"offline", qos=1, retain=True).wait_for_publish(1.0)
        self._client.disconnect()
        self._client.loop_stop()

    def _refused(self) -> bool:
        return bool(self._connected.is_failure)

    def _await(self, true: Callable[[], bool], what: str) -> None:
        with self._answered:
            self._answered.wait_for(lambda: true() or self.lost, TIMEOUT_SECONDS)
            if not true():
                raise Unavailable("the connection to the broker ended" if self.lost else f"the broker has not {what}")

    # In the thread of the connection.

    def _on_connect(self, _: Any, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        with self._answered:
            self._connected = reason
            self._answered.notify_all()

    def _on_publish(self, _: Any, __: Any, mid: int, reason: Any, ___: Any) -> None:
        with self._answered:
            self._codes[mid] = reason.value
            self._answered.notify_all()

    def _on_disconnect(self, _: Any, __: Any, ___: Any, ____: Any, _____: Any) -> None:
        with self._answered:
            self.lost = True
            self._answered.notify_all()


def _filled(template: str, parts: dict[str, str]) -> str:
    for name, text in parts.items():
        template = template.replace(f"{{{name}}}", text)
    return template
