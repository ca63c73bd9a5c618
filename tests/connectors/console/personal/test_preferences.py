"""Preferences over HTTP: each account has its own, they outlast a session, and where nobody logs in nothing is kept."""

from __future__ import annotations

from starlette.testclient import TestClient

from connectors.console.board import Board
from connectors.console.server import create_app
from connectors.console.topic_reader import LiveBoard, ReaderStatus
from tests.connectors.console.door.visits import ACTS, Visited

BERLIN = {"language": "de", "zone": "Europe/Berlin", "units": {"creatinine": "mg/dL"}}
NOTHING = {"language": None, "zone": None, "units": {}}


def test_each_account_has_its_own_and_finds_it_again(visited: Visited) -> None:
    nurse, viewer = visited.session("nurse-7"), visited.session("viewer-1")
    assert visited.ask("GET", "/api/preferences", nurse).json()["preferences"] == NOTHING
    kept = visited.ask("PUT", "/api/preferences", nurse | ACTS, BERLIN)
    assert (kept.status_code, kept.json()) == (200, BERLIN)
    visited.sessions.clear()
    told = visited.ask("GET", "/api/preferences", visited.session("nurse-7")).json()
    assert (told["kept"], told["preferences"]) == (True, BERLIN)
    assert told["lines"]["temperature"]["Cel"]["to"]["[degF]"] == [1.8, 32.0]
    assert visited.ask("GET", "/api/preferences", viewer).json()["preferences"] == NOTHING
    csv = visited.ask("GET", "/api/patients/P-1/csv", nurse)
    assert "time (Europe/Berlin)" in csv.text, "a file has the reader's own time too"


def test_what_cannot_be_chosen_is_refused_and_changes_nothing(visited: Visited) -> None:
    nurse = visited.session("nurse-7") | ACTS
    for said in ({"zone": "Mars/Olympus"}, {"units": {"creatinine": "stone"}}, {"colour": "blue"}):
        refused = visited.ask("PUT", "/api/preferences", nurse, said)
        assert (refused.status_code, refused.json()["error"]) == (400, "bad_request"), said
    assert visited.ask("GET", "/api/preferences", nurse).json()["preferences"] == NOTHING
    assert visited.keeper.preferences
    visited.keeper.preferences.path.write_text("{")
    assert visited.ask("GET", "/api/preferences", nurse).status_code == 503
    assert visited.ask("PUT", "/api/preferences", nurse, BERLIN).status_code == 503


def test_where_nobody_logs_in_the_browser_keeps_them() -> None:
    with TestClient(create_app(LiveBoard(Board(), ReaderStatus())), base_url="http://127.0.0.1") as client:
        told = client.get("/api/preferences").json()
        assert (told["kept"], told["preferences"]) == (False, NOTHING)
        assert client.put("/api/preferences", json=BERLIN, headers=ACTS).status_code == 404
