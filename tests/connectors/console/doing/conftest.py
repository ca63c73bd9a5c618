"""A console that takes what people do, and what it sends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from connectors.console.doing.way_in import WayIn
from connectors.console.topic_reader import LiveBoard
from tests.connectors.console.doing.way_in import NOW, Sent, client_of


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def client(live: LiveBoard, sent: Sent) -> Iterator[TestClient]:
    with client_of(live, WayIn(live, sent, now=lambda: NOW)) as client:
        yield client
