"""What the door tells of: each reading, action, log-in and refusal, on the real server and a real Kafka."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from connectors.access.accounts import AccountsFile
from connectors.access.doorkeeper import Doorkeeper
from connectors.access.oidc.log_in import ProviderLogIn
from connectors.audit.access import Access
from connectors.audit.trail import Trail
from connectors.console.doing.way_in import WayIn
from connectors.console.door.guard import HEADERS
from connectors.console.door.witness import RECORDED, UNRECORDED
from connectors.console.server import create_app, listen, server_of
from connectors.console.topic_reader import LiveBoard
from connectors.kafka.publish import Sender
from connectors.services.ports import free_ports
from connectors.settings import Settings
from tests import factories as make
from tests.connectors.access.keys import PASSWORD
from tests.connectors.access.oidc.lying import Lying
from tests.connectors.audit.told import accesses
from tests.connectors.console.door.visits import ACTS, FILES, SOCKET, Clock, Visited

ALERT = make.alert("P-1", make.at(20)).alert_id
OTHERS_ALERT = make.alert("P-3", make.at(20)).alert_id
ACT, ASK = {"action": "comment", "reason": "seen"}, {"reason": "dose of the second cycle"}


@dataclass
class Recorded:
    """A console that is visited, and what is recorded of that."""

    visited: Visited
    trail: Trail
    settings: Settings

    def told(self, count: int) -> list[Access]:
        """What was told after it began, which are so many; each in its order."""
        end = time.monotonic() + 60
        while True:
            found = accesses(self.settings, self.trail.seat)[1:]
            if len(found) >= count or time.monotonic() > end:
                assert [one.number for one in found] == list(range(1, count + 1)), found
                return found
            time.sleep(0.1)


@pytest.fixture
def recorded(commanded: Settings, live: LiveBoard, file: AccountsFile, identities: Lying) -> Iterator[Recorded]:
    trail, keeper = Trail(commanded), Doorkeeper(file)
    way_in = WayIn(live, Sender(commanded), replayed=True)
    identities.begin_anew()
    with listen("127.0.0.1", 0) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        provider = ProviderLogIn(identities.settings(console=f"http://{place}"), keeper)
        app = create_app(
            live, None, way_in, keeper, trail, provider=provider, tick=0.02, heartbeat=0.1, stream_heartbeat=0.1
        )
        server = server_of(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        visited = Visited(app, place, keeper, file, Clock(), provider, identities)
        yield Recorded(visited, trail, commanded)
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def test_each_route_is_recorded_or_tells_of_no_patient(visited: Visited) -> None:
    routes = {(SOCKET if method == SOCKET else method, path) for method, path in visited.routes() if method != FILES}
    assert routes == set(RECORDED) | UNRECORDED, "say in `witness` what it tells of"


def test_what_is_read_done_and_asked_is_told_with_who_of_whom_from_where_and_how_it_ended(recorded: Recorded) -> None:
    visited, nurse = recorded.visited, recorded.visited.session("nurse-7") | ACTS
    for method, path, body in (
        ("GET", "/api/ward", None),
        ("GET", "/api/patients/P-1", None),
        ("GET", "/api/alerts/stream", None),
        ("POST", f"/api/alerts/{ALERT}/actions", ACT),
        ("POST", "/api/patients/P-2/advice", ASK),
    ):
        assert visited.ask(method, path, nurse, body).status_code in (200, 202)
    told = recorded.told(7)
    assert {(one.who, one.role, one.address) for one in told} == {("nurse-7", "clinician", "127.0.0.1")}
    assert [(one.deed, one.outcome, one.what, one.patient, one.group, one.status) for one in told] == [
        ("read", "done", "ward", "", ("P-1", "P-2"), 200),
        ("read", "done", "patient", "P-1", (), 200),
        ("read", "done", "alerts", "", ("P-1", "P-2"), 200),
        ("act", "begins", "alert", "P-1", (), 0),
        ("act", "done", "alert", "P-1", (), 202),
        ("ask", "begins", "advice", "P-2", (), 0),
        ("ask", "done", "advice", "P-2", (), 202),
    ]
    acted, done, asked, answered = told[3:]
    assert acted.subject == done.subject != asked.subject == answered.subject != ""


def test_what_is_refused_names_whom_it_was_about_where_there_is_one_and_repeats_nothing_that_was_written(
    recorded: Recorded,
) -> None:
    visited, key = recorded.visited, recorded.visited.session
    for method, path, headers, body, status in (
        ("GET", "/api/patients/P-3", key("nurse-7"), None, 404),
        ("GET", "/api/patients/Hans.Mueller", key("nurse-7"), None, 404),
        ("POST", f"/api/alerts/{OTHERS_ALERT}/actions", key("nurse-7") | ACTS, ACT, 404),
        ("POST", "/api/patients/P-1/advice", key("viewer-1") | ACTS, ASK, 403),
        ("POST", f"/api/alerts/{ALERT}/actions", key("nurse-7"), ACT, 403),
        ("GET", "/api/ward", {}, None, 401),
        ("GET", "/api/Hans-Mueller", {}, None, 401),
        ("GET", "/api/ward", {"host": "elsewhere.example"}, None, 400),
    ):
        assert visited.ask(method, path, headers, body).status_code == status, path
    assert visited.socket_status({}) == 403
    told = recorded.told(9)
    assert {one.outcome for one in told} == {"refused"}
    assert [(one.deed, one.what, one.who, one.patient, one.status) for one in told] == [
        ("read", "patient", "nurse-7", "P-3", 404),
        ("read", "patient", "nurse-7", "", 404),
        ("act", "alert", "nurse-7", "P-3", 404),
        ("ask", "advice", "viewer-1", "P-1", 403),
        ("act", "alert", "nurse-7", "P-1", 403),
        ("read", "ward", "", "", 401),
        ("knock", "", "", "", 401),
        ("read", "ward", "", "", 400),
        ("read", "ward", "", "", 403),
    ]
    assert b"Mueller" not in b"".join(repr(one).encode() for one in told)


def test_who_comes_by_a_provider_and_is_ended_by_it_is_told(recorded: Recorded) -> None:
    visited, says = recorded.visited, recorded.visited.identities
    with httpx2.Client(base_url=f"http://{visited.place}", trust_env=False, timeout=60) as client:
        for changes, status in (({}, 200), ({"state": "x"}, 303)):
            brought = says.let_in(client.get("/oidc/log-in").headers["location"]) | changes
            assert client.get("/oidc/callback", params=brought).status_code == status
            client.cookies.clear()  # the provider, who speaks next, has none
        for token, status in ((says.sign(says.logout()), 200), ("x", 400)):
            assert client.post("/oidc/log-out", data={"logout_token": token}).status_code == status
    nurse, words = visited.session("nurse-7") | ACTS, "other words of a ward"
    for old, status in (("wrong", 401), (PASSWORD, 200)):
        assert visited.ask("POST", "/api/session/password", nurse, {"old": old, "new": words}).status_code == status
    assert [(one.deed, one.outcome, one.what, one.who, one.role, one.status) for one in recorded.told(6)] == [
        ("log_in", "done", "", "nora-7", "clinician", 200),
        ("log_in", "refused", "", "", "", 303),
        ("log_out", "done", "", "nora-7", "", 200),
        ("log_out", "refused", "", "", "", 400),
        ("act", "refused", "account", "nurse-7", "clinician", 401),
        ("act", "done", "account", "nurse-7", "clinician", 200),
    ]


def test_who_comes_and_goes_and_tries_to_is_told_and_no_name_that_nobody_has(recorded: Recorded) -> None:
    def log_in(name: str, password: str) -> httpx2.Response:
        return recorded.visited.ask("POST", "/api/session", ACTS, {"name": name, "password": password})

    cookie = log_in("nurse-7", PASSWORD).headers["set-cookie"].partition(";")[0]
    assert log_in("nurse-7", "wrong").status_code == 401
    assert log_in("four words of a ward", "wrong").status_code == 401
    assert recorded.visited.ask("DELETE", "/api/session", ACTS | {"cookie": cookie}).status_code == 204
    told = recorded.told(4)
    assert [(one.deed, one.outcome, one.who, one.role) for one in told] == [
        ("log_in", "done", "nurse-7", "clinician"),
        ("log_in", "refused", "nurse-7", ""),
        ("log_in", "refused", "", ""),
        ("log_out", "done", "nurse-7", "clinician"),
    ]
    assert "four words" not in repr(told)


def test_a_page_is_one_reading_for_each_thing_that_it_opens_however_much_it_is_told(
    recorded: Recorded, live: LiveBoard
) -> None:
    with recorded.visited.open_page(recorded.visited.session("nurse-7")) as page:

        def until(kind: str) -> None:
            while json.loads(page.recv(timeout=60))["type"] != kind:
                pass

        page.send(json.dumps({"watch": "P-1"}))
        until("patient")
        for hour in range(21, 25):
            live.fold([make.estimate("P-1", make.at(hour))])
            until("patient")
        page.send(json.dumps({"watch": "P-3"}))
        until("absent")
        page.send(json.dumps({"watch": "P-2", "alerts": ""}))
        until("patient")
    told = recorded.told(5)
    assert sorted((one.outcome, one.what, one.patient) for one in told) == [
        ("done", "alerts", ""),
        ("done", "patient", "P-1"),
        ("done", "patient", "P-2"),
        ("done", "ward", ""),
        ("refused", "patient", "P-3"),
    ]


def away(live: LiveBoard, most: int) -> tuple[TestClient, Trail]:
    """A console whose Kafka is away, and where so much may wait."""
    (port,) = free_ports(1)
    settings = Settings(kafka=f"127.0.0.1:{port}")
    trail = Trail(settings, most=most)
    app = create_app(live, None, WayIn(live, Sender(settings), replayed=True), None, trail, tick=0.02)
    return TestClient(app, base_url="http://127.0.0.1"), trail


def test_while_kafka_is_away_the_ward_is_shown_and_nothing_is_done(live: LiveBoard) -> None:
    client, trail = away(live, 100)
    with client:
        assert client.get("/api/ward").status_code == 200
        refused = client.post(f"/api/alerts/{ALERT}/actions", json=ACT | {"by": "nurse-7"}, headers=ACTS)
        assert refused.status_code == 503
        assert refused.json()["detail"].startswith("nothing was done: it cannot be recorded who does it")
        waiting = [(one.deed, one.outcome, one.status) for one in trail._spool.oldest(100)]
    assert waiting == [("console", "begins", 0), ("read", "done", 200), ("act", "begins", 0), ("act", "failed", 503)]


def test_where_nothing_more_can_be_recorded_nothing_more_is_shown(live: LiveBoard) -> None:
    client, _ = away(live, 2)
    with client:
        assert client.get("/api/ward").status_code == 200
        for path in ("/api/ward", "/api/patients/P-1", "/api/alerts/stream"):
            refused = client.get(path)
            assert (refused.status_code, "could not be recorded" in refused.text) == (503, True)
            assert {name: refused.headers.get(name) for name in HEADERS} == HEADERS
            assert "P-1" not in refused.text
        assert client.get("/readyz").status_code == 200
        assert client.get("/").status_code == 200
        with client.websocket_connect("ws://127.0.0.1/live") as page:
            closed: dict[str, Any] = dict(page.receive())
            assert (closed["type"], closed["code"]) == ("websocket.close", 1013)
