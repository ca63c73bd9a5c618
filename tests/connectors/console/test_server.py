"""The console's server: the page, the API, the WebSocket, and what it refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from connectors.access.roles import WHOEVER
from connectors.console.board import Board
from connectors.console.door.seen import Seen
from connectors.console.pages import Frames
from connectors.console.server import ConsoleError, address_of, create_app, listen
from connectors.console.topic_reader import LiveBoard, ReaderStatus
from tests import factories as make
from twin.events import Heartbeat

SCRIPTS = (
    "console.js",
    "ward.js",
    "patient.js",
    "alerts.js",
    "grounds.js",
    "charts.js",
    "format.js",
    "dom.js",
    "login.js",
)


@pytest.fixture
def live() -> LiveBoard:
    live = LiveBoard(Board(), ReaderStatus(state="live"))
    live.fold([make.estimate("P-1"), make.forecast("P-1"), make.prediction("P-1"), make.estimate("P-2")])
    return live


@pytest.fixture
def client(live: LiveBoard) -> Iterator[TestClient]:
    with TestClient(create_app(live, tick=0.01, heartbeat=0.05), base_url="http://127.0.0.1") as client:
        yield client


def next_frame(page: WebSocketTestSession, kind: str) -> dict[str, Any]:
    """The next frame of that kind; heartbeats in between are passed over."""
    for _ in range(100):
        frame: dict[str, Any] = json.loads(page.receive_text())
        if frame["type"] == kind:
            return frame
    raise AssertionError(f"no {kind} frame among a hundred")


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    assert page.headers["cache-control"] == "no-store"
    assert 'data-text="page.intent"' in page.text
    assert "never commands a pump" in client.get("/static/messages/en.json").json()["page.intent"]
    assert "http:" not in page.text
    assert "https:" not in page.text
    for part in (*SCRIPTS, "console.css", "icon.svg"):
        assert client.get(f"/static/{part}").status_code == 200


def test_scripts_write_text_only_as_text(client: TestClient) -> None:
    for part in SCRIPTS:
        script = client.get(f"/static/{part}").text
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in script


def test_the_ward_as_json(client: TestClient) -> None:
    ward = client.get("/api/ward").json()
    assert [row["id"] for row in ward["rows"]] == ["P-1", "P-2"]
    assert ward["rows"][0]["nadir"]["p_grade4"] == 0.4


def test_a_patient_as_json(client: TestClient) -> None:
    patient = client.get("/api/patients/P-1").json()
    assert patient["row"]["id"] == "P-1"
    assert patient["measured"][0]["observed"] == 3.9
    assert len(patient["points"]) == 1
    assert patient["forecast"]["o"]["neutrophils"]


@pytest.mark.parametrize(
    ("path", "status", "error", "says"),
    [
        ("/api/patients/P-9", 404, "not_found", "nothing is known of patient P-9; did you mean 'P-"),
        ("/api/patients/%20", 400, "bad_request", "expected 1 to 64 letters"),
        ("/api/patients/" + "x" * 65, 400, "bad_request", "expected 1 to 64 letters"),
        ("/api/patients/%3Cscript%3E", 400, "bad_request", "'<script>'"),
        ("/api/patients/", 404, "not_found", "nothing at /api/patients/"),
        ("/api/patients/P-1/more", 404, "not_found", "nothing at"),
        ("/api/nothing", 404, "not_found", "nothing at /api/nothing"),
        ("/static/../server.py", 404, "not_found", "nothing at"),
        ("/static/%2e%2e/server.py", 404, "not_found", "nothing at"),
        ("/static/nothing.js", 404, "not_found", "nothing at"),
    ],
)
def test_what_is_not_there_is_said_as_json(client: TestClient, path: str, status: int, error: str, says: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"] == error
    assert says in answer.json()["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/api/ward", "/api/patients/P-1", "/healthz"])
def test_nothing_can_be_changed(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.json()["error"] == "method_not_allowed"
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    ("state", "status"),
    [("live", 200), ("rebuilding", 200), ("waiting", 200), ("starting", 200), ("unreachable", 200), ("stopped", 503)],
)
def test_it_lives_until_its_reader_fails_and_is_ready_when_that_is_up_to_date(
    client: TestClient, live: LiveBoard, state: Any, status: int
) -> None:
    live.status = ReaderStatus(state=state)
    ready = client.get("/readyz")
    assert ready.status_code == (200 if state == "live" else 503)
    assert state in ready.text or state == "live"
    answer = client.get("/healthz")
    assert answer.status_code == status
    assert answer.json()["reader"]["state"] == state
    assert answer.json()["patients"] == 2


@pytest.mark.parametrize(("silent", "status"), [(0.0, 200), (4.0, 200), (20.0, 503), (1e5, 503)])
def test_health_fails_when_a_worker_falls_silent(
    client: TestClient, live: LiveBoard, silent: float, status: int
) -> None:
    live.hear(Heartbeat.example().model_copy(update={"state": "live", "sealed": {}}), time.monotonic() - silent)
    answer = client.get("/healthz")
    assert answer.status_code == status
    assert (answer.json()["worker"]["level"] == 0) is (silent == 0.0)


def test_another_host_name_is_refused(live: LiveBoard) -> None:
    with TestClient(create_app(live), base_url="http://ward.example") as client:
        answer = client.get("/api/ward")
    assert answer.status_code == 400
    assert "answers to" in answer.json()["detail"]


def test_only_the_names_that_were_given_are_answered(live: LiveBoard) -> None:
    app = create_app(live, hosts=("Ward.Example", "::1"))
    with TestClient(app, base_url="http://ward.example:8500") as client:
        assert client.get("/api/ward").status_code == 200
        assert client.get("/api/ward", headers={"host": "[::1]:8500"}).status_code == 200
        for name in ("rebound.example", "ward.example.evil.example", "", "[", "ward.example@evil.example"):
            assert client.get("/api/ward", headers={"host": name}).status_code == 400
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("ws://rebound.example/live", headers={"origin": "http://rebound.example"}),
        ):
            pass


def test_a_page_of_another_site_may_not_read_the_ward(client: TestClient) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect("ws://127.0.0.1/live", headers={"origin": "http://elsewhere.example"}),
    ):
        pass
    assert refused.value.code == 1008


def test_a_page_of_this_console_may(client: TestClient) -> None:
    with client.websocket_connect("ws://127.0.0.1/live", headers={"origin": "http://127.0.0.1"}) as page:
        assert next_frame(page, "ward")["since"] == 0


def test_a_page_gets_everything_and_then_what_changes(client: TestClient, live: LiveBoard) -> None:
    with client.websocket_connect("ws://127.0.0.1/live") as page:
        first = next_frame(page, "ward")
        assert [row["id"] for row in first["rows"]] == ["P-1", "P-2"]
        live.fold([make.alert("P-2", text="counts will fall")])
        second = next_frame(page, "ward")
        assert second["since"] == first["version"]
        assert [row["id"] for row in second["rows"]] == ["P-2"]
        assert second["rows"][0]["alerts"][0]["steps"][0]["text"] == "counts will fall"


def test_an_empty_ward_is_told_once() -> None:
    live = LiveBoard(Board())
    frames, seen = Frames(live), Seen(live, WHOEVER)
    first = frames.ward(-1, seen)
    assert first is not None
    assert json.loads(first[0])["rows"] == []
    assert frames.ward(first[1], seen) is None


def test_a_page_hears_from_the_server_when_nothing_changes(client: TestClient) -> None:
    with client.websocket_connect("ws://127.0.0.1/live") as page:
        assert next_frame(page, "status")["reader"]["state"] == "live"
        assert next_frame(page, "status")["reader"]["state"] == "live"


def test_a_watched_patient_is_told_in_full_and_then_by_change(client: TestClient, live: LiveBoard) -> None:
    with client.websocket_connect("ws://127.0.0.1/live") as page:
        page.send_text('{"watch": "P-1"}')
        first = next_frame(page, "patient")
        assert (first["since"], len(first["points"])) == (0, 1)
        live.fold([make.estimate("P-1", make.at(1))])
        second = next_frame(page, "patient")
        assert second["since"] == first["version"]
        assert len(second["points"]) == 1
        assert second["forecast"] is None
        page.send_text('{"watch": "P-2"}')
        assert next_frame(page, "patient")["row"]["id"] == "P-2"


def test_an_answer_of_the_twin_is_told_at_once_to_who_looks_at_its_patient(live: LiveBoard) -> None:
    with (
        TestClient(create_app(live, tick=30.0), base_url="http://127.0.0.1") as client,
        client.websocket_connect("ws://127.0.0.1/live") as page,
    ):
        page.send_text('{"watch": "P-1"}')
        assert next_frame(page, "patient")["advice"] == []
        began = time.monotonic()
        live.fold([make.advice("P-2"), make.advice("P-1", outcome="foreseen")])
        assert next_frame(page, "patient")["advice"][0]["outcome"] == "foreseen"
        assert time.monotonic() - began < 10.0
    assert live.waiting == {}


def test_a_patient_not_heard_of_yet_is_said_to_be_absent_and_told_when_it_comes(
    client: TestClient, live: LiveBoard
) -> None:
    with client.websocket_connect("ws://127.0.0.1/live") as page:
        page.send_text('{"watch": "P-77"}')
        assert "P-77" in next_frame(page, "absent")["detail"]
        live.fold([make.estimate("P-77")])
        assert next_frame(page, "patient")["row"]["id"] == "P-77"


@pytest.mark.parametrize(
    "said", ["", "nonsense", "[]", '{"watch": 5}', '{"watch": "a b"}', '{"look": "P-1"}', '{"watch": null, "x": 1}']
)
def test_a_page_that_speaks_nonsense_is_told_and_served_on(client: TestClient, said: str) -> None:
    with client.websocket_connect("ws://127.0.0.1/live") as page:
        page.send_text(said)
        assert "expected" in next_frame(page, "error")["detail"]
        page.send_bytes(b"\x00")
        assert "expected" in next_frame(page, "error")["detail"]
        page.send_text('{"watch": "P-1"}')
        assert next_frame(page, "patient")["row"]["id"] == "P-1"


def test_pages_in_step_share_one_encoded_frame(live: LiveBoard) -> None:
    frames, seen = Frames(live), Seen(live, WHOEVER)
    first, second = frames.ward(-1, seen), frames.ward(-1, seen)
    assert first is not None
    assert second is not None
    assert first[0] is second[0]
    live.fold([make.estimate("P-1", make.at(1))])
    third = frames.ward(first[1], seen)
    assert third is not None
    assert third[0] is not first[0]
    assert frames.ward(third[1], seen) is None


def test_a_page_that_could_not_keep_up_gets_one_frame_for_all_it_missed(live: LiveBoard) -> None:
    frames, seen = Frames(live), Seen(live, WHOEVER)
    first = frames.patient("P-1", 0, seen)
    assert first is not None
    for hour in range(1, 6):
        live.fold([make.estimate("P-1", make.at(hour))])
        frames.patient("P-1", live.board.version - 1, seen)
    late = frames.patient("P-1", first[1], seen)
    assert late is not None
    assert len(json.loads(late[0])["points"]) == 5
    assert frames.patient("P-1", late[1], seen) is None


def test_a_taken_port_is_named() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert address_of(taken) == f"http://127.0.0.1:{port}"
        with pytest.raises(ConsoleError, match=f"cannot listen on 127.0.0.1:{port} .*choose another --port"):
            listen("127.0.0.1", port)


def test_an_address_that_is_not_of_this_machine_is_named() -> None:
    with pytest.raises(ConsoleError, match=r"cannot listen on 192\.0\.2\.1:0"):
        listen("192.0.2.1", 0)
