"""Server-sent events over real connections: a client misses no alert, whoever ends the connection."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from kafka import KafkaProducer
from starlette.testclient import TestClient

from connectors.console import connections
from connectors.console.alert_stream import asked
from connectors.console.board import Board
from connectors.console.connections import BoundedConnection
from connectors.console.server import create_app, listen, server_of
from connectors.console.topic_reader import LiveBoard, ReaderStatus, TopicReader
from connectors.kafka.records import Record
from connectors.kafka.topics import ALERTS, ensure_topics
from tests import factories as make
from tests.connectors.console.bench import eventually
from twin.events import Alert, encode

PATIENCE = 90.0


@dataclass
class Heard:
    """What a client keeps of its stream, as a browser does."""

    last_id: str = ""
    alerts: list[tuple[str, int]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def take(self, block: str) -> None:
        """An event, as the standard has it read: the lines up to an empty one."""
        kind, text = "", ""
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                text = value
        if not text:
            self.kinds.append("heartbeat" if block.startswith(": heartbeat") else "")
            return
        self.kinds.append(kind)
        said = json.loads(text)
        if kind == "alert":
            self.alerts.append((said["alert_id"], said["revision"]))


def listen_to(address: str, heard: Heard, until: Callable[[], bool], **query: str) -> None:
    """Be told until something is true, or the connection ends."""
    headers = {"last-event-id": heard.last_id} if heard.last_id else {}
    with (
        contextlib.suppress(httpx2.TransportError),
        httpx2.stream("GET", f"{address}/api/alerts/stream", params=query, headers=headers, timeout=PATIENCE) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        left = ""
        for chunk in answer.iter_text():
            *blocks, left = (left + chunk).split("\n\n")
            for block in blocks:
                heard.take(block)
                if until():
                    return


@contextlib.contextmanager
def console(live: LiveBoard, port: int = 0, reader: TopicReader | None = None) -> Iterator[str]:
    """A console at work, and its address."""
    server = server_of(create_app(live, reader, tick=0.01, stream_heartbeat=0.05))
    with listen("127.0.0.1", port) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


def live_with(alerts: Sequence[Alert] = ()) -> LiveBoard:
    """A board whose reader is done, with those alerts in one partition."""
    live = LiveBoard(Board(), ReaderStatus(state="live"))
    live.alerts.open("topic-1", {0: 0})
    tell(live, alerts)
    return live


def tell(live: LiveBoard, alerts: Sequence[Alert]) -> None:
    for alert in alerts:
        live.alerts.take(Record(ALERTS, 0, live.alerts.ends[0], 0, b"", b""), alert)


def transitions(patient_id: str, count: int) -> list[Alert]:
    return [make.alert(patient_id, make.at(n), revision=n, onset=make.at(0)) for n in range(count)]


def test_a_client_cut_off_at_random_and_consoles_that_end_lose_no_alert_and_tell_none_twice(kafka: str) -> None:
    prefix, chance = f"e{uuid.uuid4().hex[:8]}.", random.Random(7)
    ensure_topics(kafka, prefix, 3)
    alerts = [one for n in range(8) for one in transitions(f"P-{n}", 20)]
    chance.shuffle(alerts)
    heard, done = Heard(), threading.Event()

    def publish() -> None:
        producer = KafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
        for n, alert in enumerate(alerts):
            producer.send(prefix + ALERTS, encode(alert), key=alert.patient_id.encode()).get(PATIENCE)
            if n % 10 == 0:
                time.sleep(0.02)
        producer.close()
        done.set()

    writing, cuts, port = threading.Thread(target=publish), 0, 0
    everything = {(alert.alert_id, alert.revision) for alert in alerts}
    until = time.monotonic() + 3 * PATIENCE
    while set(heard.alerts) != everything:
        assert time.monotonic() < until, f"{len(set(heard.alerts))} of {len(everything)} after {cuts} cuts"
        live = LiveBoard(Board())
        with console(live, port, TopicReader(live, kafka, prefix)) as address:
            port = int(address.rpartition(":")[2])
            for _ in range(chance.randint(1, 4)):
                more = len(heard.kinds) + chance.randint(1, 40)
                listen_to(address, heard, lambda more=more: len(heard.kinds) >= more or set(heard.alerts) == everything)
                cuts += 1
                if not writing.ident and heard.last_id:
                    writing.start()
    writing.join(PATIENCE)
    assert done.is_set()
    assert len(heard.alerts) == len(everything), "an alert came twice, though each id says where to go on"
    assert "gap" not in heard.kinds
    assert cuts > 5


def test_a_stream_says_when_the_reader_changes_and_beats_when_nothing_does() -> None:
    live = live_with(transitions("P-1", 2))
    heard = Heard()
    with console(live) as address:
        listen_to(address, heard, lambda: heard.kinds.count("heartbeat") >= 2)
        assert heard.kinds[:5] == ["", "alert", "ready", "status", "heartbeat"]
        live.status = ReaderStatus(state="unreachable", detail="no Kafka")
        listen_to(address, heard, lambda: "status" in heard.kinds[5:])
    assert heard.last_id == "topic-1:2"


def test_an_id_moves_on_with_a_heartbeat_where_nothing_is_wanted_of_what_comes() -> None:
    live, heard = live_with(), Heard()
    with console(live) as address:
        listen_to(address, heard, lambda: "ready" in heard.kinds, lowest_severity="high")
        assert heard.last_id == "topic-1:0"
        tell(live, [make.alert(severity="low")])
        listen_to(address, heard, lambda: heard.last_id == "topic-1:1", lowest_severity="high")
    assert heard.alerts == []


def test_a_client_that_takes_nothing_is_cut_off_and_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    lost, ended = threading.Event(), BoundedConnection.connection_lost
    monkeypatch.setattr(connections, "TAKE_SECONDS", 0.3)
    monkeypatch.setattr(BoundedConnection, "connection_lost", lambda *said: (ended(*said), lost.set())[0])
    text = "x" * 1900
    alerts = [make.alert("P-1", make.at(n), revision=n, onset=make.at(0), text=text) for n in range(4000)]
    live = live_with()
    tell(live, alerts)
    heard = Heard("topic-1:0")
    with console(live) as address, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", int(address.rpartition(":")[2])))
        slow.sendall(b"GET /api/alerts/stream?after=topic-1:0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert lost.wait(PATIENCE), "a client that takes nothing keeps its connection"
        monkeypatch.undo()
        listen_to(address, heard, lambda: len(heard.alerts) == len(alerts))
    assert len(set(heard.alerts)) == len(alerts)


def test_open_streams_do_not_hold_a_console_up_that_ends() -> None:
    heard = Heard()
    with console(live_with()) as address:
        thread = threading.Thread(target=listen_to, args=(address, heard, lambda: False))
        thread.start()
        eventually(lambda: "ready" in heard.kinds)
        began = time.monotonic()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert time.monotonic() - began < PATIENCE


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("severity=high", "'severity' is no part of the question; there are rules, patients, lowest_severity, after"),
        ("rules=a&rules=b", "comes twice: separate patterns by commas"),
        ("lowest_severity=highest", "lowest_severity: Input should be 'low', 'medium' or 'high'"),
        ("rules=%22", "rules: String should match pattern"),
        ("after=1", "'1' is no id of this stream"),
    ],
)
def test_what_cannot_be_asked_is_told(query: str, says: str) -> None:
    with TestClient(create_app(live_with()), base_url="http://127.0.0.1") as client:
        answer = client.get(f"/api/alerts/stream?{query}")
        assert answer.status_code == 400
        assert says in answer.json()["detail"]
        assert client.get("/api/alerts/stream", headers={"last-event-id": "x"}).status_code == 400


def test_who_was_told_of_an_alert_hears_its_end_however_mild_it_is_by_then() -> None:
    live, heard = live_with(), Heard()
    with console(live) as address:
        listen_to(address, heard, lambda: "ready" in heard.kinds, lowest_severity="high")
        mild = make.alert("P-2", severity="low")
        tell(live, [make.alert(), mild, *[make.alert(revision=1, phase="end", severity="low")]])
        listen_to(address, heard, lambda: len(heard.alerts) == 2, lowest_severity="high")
    assert heard.alerts == [(make.alert().alert_id, 0), (make.alert().alert_id, 1)]


def test_the_environment_says_nothing_of_what_a_client_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_RULES", "data.*")
    _, wanted = asked([])
    assert wanted.wants(make.alert())


def test_the_header_goes_before_the_question() -> None:
    place, _ = asked([("after", "a:1")], "a:2")
    assert str(place) == "a:2"


def test_a_socket_of_the_console_resumes_in_the_same_way() -> None:
    live = live_with(transitions("P-1", 3))

    def frames(page: Any, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < count:
            frame = json.loads(page.receive_text())
            if frame["type"] in ("alert", "gap", "ready", "error"):
                found.append(frame)
        return found

    with TestClient(create_app(live, tick=0.01, heartbeat=0.05), base_url="http://127.0.0.1") as client:
        with client.websocket_connect("ws://127.0.0.1/live") as page:
            page.send_text('{"alerts": ""}')
            first = frames(page, 2)
            assert [(one["type"], one["id"]) for one in first] == [("alert", ""), ("ready", "topic-1:3")]
            assert first[0]["alert"]["revision"] == 2
        tell(live, [make.alert("P-2")])
        with client.websocket_connect("ws://127.0.0.1/live") as page:
            page.send_text(json.dumps({"alerts": first[1]["id"]}))
            again = frames(page, 2)
            assert [(one["type"], one["id"]) for one in again] == [("alert", "topic-1:4"), ("ready", "topic-1:4")]
            page.send_text('{"alerts": "x"}')
            assert "no id of this stream" in frames(page, 1)[0]["detail"]
            page.send_text('{"alerts": null}')
