"""A console at work, with a real Kafka behind it, that lets in whom a file of accounts names."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.access.accounts import AccountsFile
from connectors.access.doorkeeper import Doorkeeper
from connectors.access.oidc.log_in import ProviderLogIn
from connectors.console.board import Board
from connectors.console.doing.way_in import WayIn
from connectors.console.mending.workshop import Workshop
from connectors.console.server import STATIC, create_app, listen, server_of
from connectors.console.topic_reader import LiveBoard, ReaderStatus
from connectors.kafka.publish import Sender
from connectors.kafka.records import Record
from connectors.kafka.topics import ALERTS, COMMANDS, REJECTED, ensure_topics
from connectors.settings import Settings
from tests import factories as make
from tests.connectors.access.keys import accounts_in
from tests.connectors.access.oidc.lying import Lying, lying
from tests.connectors.console.door.visits import Clock, Visited
from twin.events import encode


@pytest.fixture(scope="session")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Made once: a password takes a quarter of a second."""
    return accounts_in(
        tmp_path_factory.mktemp("accounts"), other_9=("clinician", "W9-*"), gone_4=("clinician", "*")
    ).path.read_bytes()


@pytest.fixture
def file(accounts: bytes, tmp_path: Path) -> AccountsFile:
    path = tmp_path / "accounts.json"
    path.write_bytes(accounts)
    path.chmod(0o600)
    return AccountsFile(path)


@pytest.fixture
def live() -> LiveBoard:
    """P-1, P-2 and P-3, each with an alert."""
    live = LiveBoard(Board(), ReaderStatus(state="live"))
    live.alerts.open("log", {0: 0})
    for offset, patient in enumerate(("P-1", "P-2", "P-3")):
        alert = make.alert(patient, make.at(20))
        live.alerts.take(Record(ALERTS, 0, offset, 0, b"", encode(alert)), alert)
        live.fold([make.estimate(patient, make.at(20)), alert])
    return live


@pytest.fixture(scope="session")
def commanded(kafka: str) -> Settings:
    """Topics for what people say and for what was refused, shared by all."""
    settings = Settings(kafka=kafka, topic_prefix=f"d{uuid.uuid4().hex[:8]}.", partitions=1)
    ensure_topics(kafka, settings.topic_prefix, settings.partitions, (COMMANDS, REJECTED))
    return settings


@pytest.fixture(scope="session")
def identities() -> Iterator[Lying]:
    """A provider for all, as long as it says what it usually does."""
    with lying() as one:
        yield one


@pytest.fixture
def visited(commanded: Settings, live: LiveBoard, file: AccountsFile, identities: Lying) -> Iterator[Visited]:
    clock = Clock()
    keeper = Doorkeeper(file, clock.now)
    way_in = WayIn(live, Sender(commanded), replayed=True)
    workshop = Workshop(live, commanded, list, STATIC / "index.html")
    identities.begin_anew()
    with listen("127.0.0.1", 0) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        provider = ProviderLogIn(identities.settings(console=f"http://{place}"), keeper)
        app = create_app(
            live, None, way_in, keeper, None, workshop, provider=provider,
            tick=0.02, heartbeat=0.1, stream_heartbeat=0.1,
        )  # fmt: skip
        server = server_of(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield Visited(app, place, keeper, file, clock, provider, identities)
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
