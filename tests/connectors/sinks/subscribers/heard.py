"""A client of a broker that keeps what it hears."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion


class Heard:
    """``said`` has topic and payload of each publication, ``retained`` those that the broker had kept."""

    def __init__(self) -> None:
        self.said: list[tuple[str, bytes]] = []
        self.retained: dict[str, bytes] = {}

    @contextmanager
    def subscribed(self, port: int, topics: str) -> Iterator[None]:
        """It listens."""
        there = threading.Event()
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"heard-{uuid.uuid4().hex}", protocol=MQTTProtocolVersion.MQTTv5
        )
        client.on_connect = lambda *_: client.subscribe(topics, qos=1)
        client.on_subscribe = lambda *_: there.set()
        client.on_message = lambda _, __, message: self._take(message)
        client.connect("127.0.0.1", port)
        client.loop_start()
        try:
            assert there.wait(60)
            yield
        finally:
            client.disconnect()
            client.loop_stop()

    def _take(self, message: Any) -> None:
        if message.retain:
            self.retained[message.topic] = message.payload
        else:
            self.said.append((message.topic, message.payload))

    def until(self, count: int) -> list[tuple[str, bytes]]:
        """What was said, when so much of it is heard."""
        end = time.monotonic() + 60
        while len(self.said) < count:
            assert time.monotonic() < end
            time.sleep(0.01)
        return self.said
