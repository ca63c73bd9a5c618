"""The door matrix: every route of the console, tried with every kind of key, on the real server and a real Kafka.

The routes are those that the application has: one without a row here fails.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from connectors.kafka.publish import Sender
from tests import factories as make
from tests.connectors.access.keys import PASSWORD, token_in
from tests.connectors.console.door.visits import ACTS, FILES, SOCKET, Visited, ended

ALERT = make.alert("P-1", make.at(20)).alert_id
ACT = {"action": "comment", "reason": "seen"}
CHOSEN = {"language": "de", "zone": "Europe/Berlin"}
ASK = {"reason": "dose of the second cycle"}
LOG_IN = {"name": "nurse-7", "password": PASSWORD}

SHORT = {"old": PASSWORD, "new": "short"}

STRANGERS = (
    "nobody",
    "wrong session",
    "wrong token",
    "no token",
    "expired session",
    "expired token",
    "disabled",
    "ended by provider",
)
GROUPED = (
    "viewer",
    "clinician",
    "engineer",
    "viewer's token",
    "clinician's token",
    "other group",
    "clinician by provider",
)


def row(strangers: int, viewer: int, clinician: int, engineer: int, other: int) -> dict[str, int]:
    """The status that each key is answered with."""
    known = (viewer, clinician, engineer, viewer, clinician, other, clinician)
    return dict.fromkeys(STRANGERS, strangers) | dict(zip(GROUPED, known, strict=True))


def all_alike(strangers: int, known: int) -> dict[str, int]:
    return row(strangers, known, known, known, known)


MATRIX: dict[tuple[str, str], tuple[str, Any, dict[str, int]]] = {
    ("GET", "/"): ("/", None, all_alike(303, 200)),
    ("GET", "/api/ward"): ("/api/ward", None, all_alike(401, 200)),
    ("GET", "/api/patients/{patient_id}"): ("/api/patients/P-1", None, row(401, 200, 200, 200, 404)),
    ("GET", "/api/patients/{patient_id}/csv"): ("/api/patients/P-1/csv", None, row(401, 403, 200, 403, 404)),
    ("GET", "/api/alerts/stream"): ("/api/alerts/stream", None, all_alike(401, 200)),
    ("GET", "/api/alerts/{alert_id}"): (f"/api/alerts/{ALERT}", None, row(401, 200, 200, 200, 404)),
    ("GET", "/api/models/{model_id}"): ("/api/models/other", None, all_alike(401, 404)),
    ("POST", "/api/alerts/{alert_id}/actions"): (f"/api/alerts/{ALERT}/actions", ACT, row(401, 403, 202, 403, 404)),
    ("POST", "/api/patients/{patient_id}/advice"): ("/api/patients/P-1/advice", ASK, row(401, 403, 202, 403, 404)),
    ("GET", "/engineer"): ("/engineer", None, row(401, 403, 403, 200, 403)),
    ("GET", "/api/mending/health"): ("/api/mending/health", None, row(401, 403, 403, 200, 403)),
    ("GET", "/api/mending/letters"): ("/api/mending/letters", None, row(401, 403, 403, 200, 403)),
    ("GET", "/api/mending/held"): ("/api/mending/held", None, row(401, 403, 403, 200, 403)),
    ("GET", "/api/mending/audit"): ("/api/mending/audit", None, row(401, 403, 403, 200, 403)),
    ("POST", "/api/mending/letters/{place}/resend"): (
        "/api/mending/letters/0-9/resend",
        {},
        row(401, 403, 403, 404, 403),
    ),
    ("GET", "/login"): ("/login", None, all_alike(200, 303)),
    ("GET", "/api/session"): ("/api/session", None, all_alike(401, 200)),
    ("POST", "/api/session"): ("/api/session", LOG_IN, all_alike(200, 200)),
    ("DELETE", "/api/session"): ("/api/session", None, all_alike(401, 204) | {"clinician by provider": 200}),
    ("POST", "/api/session/password"): (
        "/api/session/password",
        SHORT,
        all_alike(401, 409) | {"viewer's token": 403, "clinician's token": 403},
    ),
    ("GET", "/api/preferences"): ("/api/preferences", None, all_alike(401, 200)),
    ("PUT", "/api/preferences"): ("/api/preferences", CHOSEN, all_alike(401, 200)),
    ("GET", "/account"): ("/account", None, all_alike(303, 200)),
    ("GET", "/api/log-in"): ("/api/log-in", None, all_alike(200, 200)),
    ("GET", "/oidc/log-in"): ("/oidc/log-in", None, all_alike(303, 303)),
    ("GET", "/oidc/callback"): ("/oidc/callback?code=x&state=y", None, all_alike(303, 303)),
    ("POST", "/oidc/log-out"): ("/oidc/log-out", {"logout_token": "x"}, all_alike(415, 415)),
    ("GET", "/healthz"): ("/healthz", None, all_alike(200, 200)),
    ("GET", "/readyz"): ("/readyz", None, all_alike(200, 200)),
    (SOCKET, "/live"): ("/live", None, all_alike(403, 101)),
    (FILES, "/static"): ("/static/console.css", None, all_alike(200, 200)),
}


@pytest.fixture
def keys(visited: Visited) -> dict[str, Callable[[], dict[str, str]]]:
    """How each key is shown; a session that a row may end is begun anew for it."""
    now = visited.clock.now()
    file = visited.file

    def bearer(name: str, role: str, patients: str, days: float = 1, back: float = 0) -> dict[str, str]:
        text = token_in(file, name, role, patients, days, now - timedelta(days=back))
        return {"authorization": f"Bearer {text}"}

    tokens = {
        "viewer's token": bearer("board-3", "viewer", "P-1"),
        "clinician's token": bearer("pharmacy-1", "clinician", "P-*"),
        "expired token": bearer("old-1", "clinician", "*", 1, 2),
    }
    visited.clock.off = -timedelta(hours=13)
    expired = visited.session("viewer-1")
    visited.clock.off = timedelta()
    visited.sessions.clear()
    disabled = visited.session("gone-4")
    file.change(lambda all_: all_.with_disabled("gone-4", disabled=True))
    shown = tokens | {
        "nobody": {},
        "wrong session": {"cookie": "dosetwin=" + "x" * 43},
        "wrong token": {"authorization": "Bearer dosetwin_" + "x" * 43},
        "no token": {"authorization": "Basic bnVyc2UtNzpmb3Vy"},
        "expired session": expired,
        "disabled": disabled,
        "ended by provider": ended_by_provider(visited),
    }
    people = {"viewer": "viewer-1", "clinician": "nurse-7", "engineer": "engineer-2", "other group": "other-9"}
    found: dict[str, Callable[[], dict[str, str]]] = {name: lambda said=said: said for name, said in shown.items()}
    found |= {key: lambda name=name: visited.session(name) for key, name in people.items()}
    return found | {"clinician by provider": visited.entered}


def ended_by_provider(visited: Visited) -> dict[str, str]:
    """The session of somebody whom the provider has logged out."""
    header = visited.entered("gone-5", sid="sid-5")
    assert visited.provider.end(visited.identities.sign(visited.identities.logout(sid="sid-5"))) == ("gone-5",)
    return header


def test_every_route_of_the_application_has_its_row(visited: Visited) -> None:
    assert visited.routes() == set(MATRIX)
    assert all(set(expected) == {*STRANGERS, *GROUPED} for _, _, expected in MATRIX.values())


def test_each_key_opens_what_it_should_and_nothing_else(
    visited: Visited, keys: dict[str, Callable[[], dict[str, str]]]
) -> None:
    found = {}
    for (method, template), (path, body, expected) in MATRIX.items():
        for key in expected:
            headers = keys[key]()
            if method == SOCKET:
                status = visited.socket_status(headers)
            else:
                status = visited.ask("GET" if method == FILES else method, path, headers | ACTS, body).status_code
            found[method, template, key] = status
            if method == "DELETE":
                visited.sessions.clear()
    wanted = {(*route, key): status for route, (_, _, row_) in MATRIX.items() for key, status in row_.items()}
    assert found == wanted


def test_no_other_site_can_do_anything_and_nothing_is_done_without_the_header(visited: Visited) -> None:
    nurse = visited.session("nurse-7")
    changing = [(m, t) for m, t in visited.routes() if m not in ("GET", SOCKET, FILES)]
    assert len(changing) == 8
    for method, template in changing:
        path, body, _ = MATRIX[method, template]
        if template != "/oidc/log-out":  # what it takes is signed by the provider, and no cookie opens it
            assert visited.ask(method, path, nurse, body).status_code == 403, (method, path)
        for foreign in ({"origin": "http://elsewhere.example"}, {"sec-fetch-site": "same-site"}, {"origin": "null"}):
            assert visited.ask(method, path, nurse | ACTS | foreign, body).status_code == 403, (method, path, foreign)
    assert visited.socket_status(nurse, "http://elsewhere.example") == 403
    assert visited.socket_status(nurse, f"http://{visited.place}") == 101


def test_another_method_tells_a_stranger_nothing(visited: Visited) -> None:
    for path in ("/api/ward", "/api/patients/P-1", "/nothing", "/api/nothing", "/static/../api/ward", "/login/"):
        for method in ("GET", "HEAD", "OPTIONS", "PUT", "POST", "DELETE"):
            answer = visited.ask(method, path, ACTS)
            assert answer.status_code in (401, 405), (method, path)
            assert "P-1" not in answer.text
            assert answer.headers["www-authenticate"] == "Bearer"


def test_who_acts_is_the_account_and_nobody_else(visited: Visited, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    really = Sender.send
    monkeypatch.setattr(Sender, "send", lambda self, word: (sent.append(word), really(self, word)))
    nurse = visited.session("nurse-7") | ACTS
    for path, body in ((f"/api/alerts/{ALERT}/actions", ACT), ("/api/patients/P-1/advice", ASK)):
        assert visited.ask("POST", path, nurse, body).status_code == 202
        assert visited.ask("POST", path, nurse, body | {"by": "nurse-7"}).status_code == 202
        refused = visited.ask("POST", path, nurse, body | {"by": "physician-3"})
        assert (refused.status_code, "you are logged in as 'nurse-7'" in refused.text) == (400, True)
    assert [word.by for word in sent] == ["nurse-7"] * 4


def test_a_page_is_told_of_its_own_patients_alone(visited: Visited) -> None:
    for name, seen in (("viewer-1", "P-1"), ("nurse-7", "P-1 P-2"), ("engineer-2", "P-1 P-2 P-3"), ("other-9", "")):
        key = visited.session(name)
        ward = visited.ask("GET", "/api/ward", key).json()
        assert [row_["id"] for row_ in ward["rows"]] == seen.split()
        health = visited.ask("GET", "/healthz", key).json()
        assert health["patients"] == len(seen.split())
        with visited.open_page(key) as page:
            frame = next(one for one in frames(page) if one["type"] == "ward")
            assert [row_["id"] for row_ in frame["rows"]] == seen.split()
            page.send(json.dumps({"watch": "P-3", "alerts": ""}))
            told = []
            for one in frames(page):
                told.append(one)
                if {"ready", "patient" if "P-3" in seen else "absent"} <= {each["type"] for each in told}:
                    break
        alerts = [one["alert"]["patient_id"] for one in told if one["type"] == "alert"]
        assert alerts == seen.split()
        others = {"P-1", "P-2", "P-3"} - set(seen.split()) - {"P-3"}
        assert not any(other in json.dumps(told) for other in others)


def test_a_stream_tells_of_its_own_patients_whoever_it_asks_for(visited: Visited) -> None:
    for query in ("", "?patients=P-2", "?patients=*"):
        text = streamed(visited, visited.session("viewer-1"), query, until="event: ready")
        assert set(re.findall(r'"patient_id":"([^"]+)"', text)) == ({"P-1"} if query != "?patients=P-2" else set())


def test_who_is_let_in_no_more_is_cut_off_at_once_on_page_and_stream(visited: Visited) -> None:
    nurse, viewer = visited.session("nurse-7"), visited.session("viewer-1")
    with visited.open_page(nurse) as page, visited.open_page(viewer) as other:
        next(frames(page))
        with stream_of(visited, nurse, "") as chunks:
            next(chunks)
            began = time.monotonic()
            visited.file.change(lambda all_: all_.with_disabled("nurse-7", disabled=True))
            assert ended(page) == 4401
            for _ in chunks:
                pass
        assert time.monotonic() - began < 5
        assert next(frames(other))["type"] == "ward"


def test_a_page_that_nobody_uses_does_not_keep_its_session(visited: Visited) -> None:
    used, unused = visited.session("nurse-7"), visited.session("viewer-1")
    with visited.open_page(used) as page, visited.open_page(unused) as idle:
        for _ in range(3):
            visited.clock.off += timedelta(minutes=14)
            page.send('{"watch": "P-1"}')
            deadline = time.monotonic() + 60
            while visited.keeper.in_session(visited.sessions["nurse-7"], use=False) is None:
                assert time.monotonic() < deadline
            time.sleep(0.2)
        assert ended(idle) == 4401
        assert next(frames(page))
        assert visited.ask("GET", "/api/session", used).json()["name"] == "nurse-7"
        assert visited.ask("GET", "/api/session", unused).status_code == 401


def frames(page: Any) -> Iterator[dict[str, Any]]:
    while True:
        yield json.loads(page.recv(timeout=60))


class stream_of:
    """The chunks of a stream of alerts."""

    def __init__(self, visited: Visited, headers: dict[str, str], query: str) -> None:
        self._client = httpx2.Client(base_url=f"http://{visited.place}", trust_env=False, timeout=60)
        self._asked = self._client.stream("GET", f"/api/alerts/stream{query}", headers=headers)

    def __enter__(self) -> Iterator[str]:
        return self._asked.__enter__().iter_text()

    def __exit__(self, *error: Any) -> None:
        self._asked.__exit__(*error)
        self._client.close()


def streamed(visited: Visited, headers: dict[str, str], query: str, until: str) -> str:
    text = ""
    with stream_of(visited, headers, query) as chunks:
        for chunk in chunks:
            text += chunk
            if until in text:
                break
    return text
