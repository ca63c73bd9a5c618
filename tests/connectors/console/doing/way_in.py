"""A console that takes what people do, and a sender that keeps what it was given."""

from __future__ import annotations

from starlette.testclient import TestClient

from connectors.console.doing.way_in import WayIn
from connectors.console.server import create_app
from connectors.console.topic_reader import LiveBoard
from connectors.kafka.clients import NotConfirmed
from connectors.kafka.publish import Sender
from connectors.settings import Settings
from tests import factories as make
from twin.events import InputEvent

NOW = make.at(30)
ACTS = {"x-dosetwin": "act"}


class Sent(Sender):
    """A sender that keeps what it was given; ``away``: Kafka confirms nothing."""

    def __init__(self) -> None:
        super().__init__(Settings())
        self.words: list[InputEvent] = []
        self.away = False

    def open(self, topic: str) -> None:
        pass

    def send(self, word: InputEvent) -> None:
        if self.away:
            raise NotConfirmed("the broker did not confirm it; send it again")
        self.words.append(word)


def client_of(live: LiveBoard, way_in: WayIn | None) -> TestClient:
    """A browser's way to a console of this board."""
    return TestClient(create_app(live, None, way_in, hosts=("127.0.0.1", "::1")), base_url="http://127.0.0.1:8500")
