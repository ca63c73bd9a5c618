"""To log in and out: cookies, ids, waits, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from connectors.access.accounts import AccountsFile
from connectors.access.doorkeeper import FREE_OF_ACCOUNT, Doorkeeper
from connectors.console.server import create_app
from connectors.console.topic_reader import LiveBoard
from tests.connectors.access.keys import PASSWORD
from tests.connectors.console.door.visits import ACTS

WARD = "https://ward.example"
SAID = {"name": "nurse-7", "password": PASSWORD}
CHANGE = {"old": PASSWORD, "new": "other words of a ward"}


def client_at(base: str, live: LiveBoard, keeper: Doorkeeper | None) -> TestClient:
    app = create_app(live, None, None, keeper, hosts=("127.0.0.1", "ward.example"))
    return TestClient(app, base_url=base, follow_redirects=False)


@pytest.fixture
def client(live: LiveBoard, file: AccountsFile) -> Iterator[TestClient]:
    with client_at(WARD, live, Doorkeeper(file)) as client:
        yield client


def log_in(client: TestClient, said: Any = SAID, headers: dict[str, str] = ACTS) -> httpx2.Response:
    answer: httpx2.Response = client.post("/api/session", json=said, headers=headers)
    return answer


def test_a_session_is_a_cookie_that_no_script_reads_and_no_other_site_sends_and_that_goes_by_tls_alone(
    client: TestClient,
) -> None:
    answer = log_in(client)
    assert answer.json() == {
        "name": "nurse-7", "role": "clinician", "may": ["act", "ask", "export", "look"],
        "patients": "P-1,P-2", "password": True,
    }  # fmt: skip
    name, *rest = answer.headers["set-cookie"].split("; ")
    assert name.startswith("__Host-dosetwin=")
    assert len(name) > 16 + 40
    assert sorted(rest) == ["HttpOnly", "Path=/", "SameSite=strict", "Secure"]
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_on_this_machine_it_needs_no_tls(live: LiveBoard, file: AccountsFile) -> None:
    with client_at("http://127.0.0.1:8500", live, Doorkeeper(file)) as client:
        name, *rest = log_in(client).headers["set-cookie"].split("; ")
        assert name.startswith("dosetwin=")
        assert sorted(rest) == ["HttpOnly", "Path=/", "SameSite=strict"]
        assert client.get("/api/ward").status_code == 200


def test_each_log_in_has_a_new_id_and_ends_the_session_that_was_there(client: TestClient) -> None:
    log_in(client)
    first = client.cookies["__Host-dosetwin"]
    log_in(client)
    assert client.cookies["__Host-dosetwin"] != first
    assert client.get("/api/ward").status_code == 200
    client.cookies.set("__Host-dosetwin", first, domain="ward.example")
    client.cookies.clear()
    assert client.get("/api/ward", headers={"cookie": f"__Host-dosetwin={first}"}).status_code == 401


def test_an_id_that_somebody_else_chose_is_never_taken(client: TestClient) -> None:
    planted = "x" * 43
    answer = log_in(client, headers=ACTS | {"cookie": f"__Host-dosetwin={planted}"})
    assert planted not in answer.headers["set-cookie"]
    client.cookies.clear()
    assert client.get("/api/ward", headers={"cookie": f"__Host-dosetwin={planted}"}).status_code == 401


def test_to_log_out_ends_the_session_on_the_server_too(client: TestClient) -> None:
    log_in(client)
    kept = {"cookie": f"__Host-dosetwin={client.cookies['__Host-dosetwin']}"}
    answer = client.delete("/api/session", headers=ACTS)
    assert (answer.status_code, "Max-Age=0" in answer.headers["set-cookie"]) == (204, True)
    assert client.get("/api/ward").status_code == 401
    assert client.get("/api/ward", headers=kept).status_code == 401


def test_who_guesses_is_told_to_wait_and_for_how_long(client: TestClient) -> None:
    wrong = SAID | {"password": "wrong"}
    answers = [log_in(client, wrong) for _ in range(FREE_OF_ACCOUNT + 1)]
    assert [answer.status_code for answer in answers] == [401] * FREE_OF_ACCOUNT + [429]
    assert {answer.json()["detail"] for answer in answers[:-1]} == {"name or password is wrong"}
    assert answers[-1].headers["retry-after"] == "1"
    assert "set-cookie" not in answers[0].headers
    assert log_in(client, SAID).status_code == 429


@pytest.mark.parametrize(
    ("said", "status", "says"),
    [
        ({"name": "nurse-7"}, 400, "missing required field `password`"),
        (SAID | {"role": "engineer"}, 400, "unknown field `role`"),
        (SAID | {"password": 7}, 400, "`$.password`"),
        (SAID | {"password": "x" * 5000}, 413, "more than 4000 bytes"),
        ([], 400, "expected a JSON object of name and password"),
    ],
)
def test_what_is_no_log_in_is_named_without_the_password(client: TestClient, said: Any, status: int, says: str) -> None:
    answer = log_in(client, said)
    assert (answer.status_code, says in answer.text, PASSWORD in answer.text) == (status, True, False), answer.text


def test_another_site_can_log_nobody_in(client: TestClient) -> None:
    assert log_in(client, headers={}).status_code == 403
    assert log_in(client, headers=ACTS | {"origin": "https://elsewhere.example"}).status_code == 403
    assert client.post("/api/session", data=SAID).status_code == 403


def test_the_page_leads_to_log_in_and_back_and_is_kept_by_no_browser(client: TestClient) -> None:
    away = client.get("/")
    assert (away.status_code, away.headers["location"]) == (303, "login")
    page = client.get("/login")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert (page.headers["referrer-policy"], page.headers["x-content-type-options"]) == ("no-referrer", "nosniff")
    assert "style=" not in page.text
    log_in(client)
    assert client.get("/").status_code == 200
    assert client.get("/login").status_code == 303


def test_health_tells_a_stranger_no_more_than_that(client: TestClient) -> None:
    assert set(client.get("/healthz").json()) == {"status"}
    log_in(client)
    assert {"reader", "worker", "patients"} <= set(client.get("/healthz").json())


def test_where_nobody_logs_in_there_is_nothing_to_log_in_to(live: LiveBoard) -> None:
    with client_at("http://127.0.0.1", live, None) as client:
        assert client.get("/api/session").json() == {
            "name": "", "role": None, "may": ["act", "ask", "export", "look", "mend"],
            "patients": "*", "password": False,
        }  # fmt: skip
        assert client.get("/api/log-in").json() == {"password": False, "provider": None}
        assert client.get("/login").status_code == client.get("/account").status_code == 303
        assert client.post("/api/session/password", json=CHANGE, headers=ACTS).status_code == 404
        assert client.get("/oidc/log-in").status_code == client.get("/oidc/callback").status_code == 404
        assert log_in(client).status_code == 404
        assert client.delete("/api/session", headers=ACTS).status_code == 204


def test_a_session_ends_when_it_is_not_used(live: LiveBoard, file: AccountsFile) -> None:
    now = [Doorkeeper(file)._now()]
    with client_at(WARD, live, Doorkeeper(file, lambda: now[0], idle=timedelta(minutes=10))) as client:
        log_in(client)
        for minutes, status in ((9, 200), (9, 200), (11, 401)):
            now[0] += timedelta(minutes=minutes)
            assert client.get("/api/ward").status_code == status


def change(client: TestClient, said: Any, **headers: str) -> httpx2.Response:
    answer: httpx2.Response = client.post("/api/session/password", json=said, headers=ACTS | headers)
    return answer


def test_another_password_ends_all_other_sessions_and_goes_on_in_a_new_one(live: LiveBoard, file: AccountsFile) -> None:
    keeper = Doorkeeper(file)
    with client_at(WARD, live, keeper) as client, client_at(WARD, live, keeper) as elsewhere:
        log_in(client)
        log_in(elsewhere)
        stolen = {"cookie": f"__Host-dosetwin={client.cookies['__Host-dosetwin']}"}
        assert client.get("/account").status_code == 200
        answer = change(client, CHANGE)
        assert (answer.status_code, answer.json()["name"]) == (200, "nurse-7")
        assert sorted(answer.headers["set-cookie"].split("; ")[1:]) == [
            "HttpOnly",
            "Path=/",
            "SameSite=strict",
            "Secure",
        ]
        assert client.get("/api/ward").status_code == 200
        assert elsewhere.get("/api/ward").status_code == 401
        elsewhere.cookies.clear()
        assert elsewhere.get("/api/ward", headers=stolen).status_code == 401
        assert log_in(elsewhere).status_code == 401
        assert log_in(elsewhere, SAID | {"password": CHANGE["new"]}).status_code == 200


@pytest.mark.parametrize(
    ("said", "status", "says"),
    [
        (CHANGE | {"old": "wrong"}, 401, "the old password is wrong"),
        (CHANGE | {"new": "short"}, 409, "the password has 5 characters: take 12 to 256"),
        (CHANGE | {"new": "aaaaaaaaaaaaaaa"}, 409, "few different characters"),
        (CHANGE | {"new": "words of nurse-7 here"}, 409, "holds the account's name"),
        (CHANGE | {"new": PASSWORD}, 409, "the new password is the old one"),
        ({"new": "x"}, 400, "missing required field `old`"),
        (CHANGE | {"name": "viewer-1"}, 400, "unknown field `name`"),
    ],
)
def test_a_password_that_cannot_be_is_named_and_none_is_told(
    client: TestClient, said: Any, status: int, says: str
) -> None:
    log_in(client)
    answer = change(client, said)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert PASSWORD not in answer.text
    assert client.get("/api/ward").status_code == 200, "and its session goes on"
    assert log_in(client).status_code == 200


def test_who_guesses_the_old_password_in_somebodys_session_waits(client: TestClient) -> None:
    log_in(client)
    answers = [change(client, CHANGE | {"old": "wrong"}).status_code for _ in range(FREE_OF_ACCOUNT + 1)]
    assert answers == [401] * FREE_OF_ACCOUNT + [429]
    assert change(client, CHANGE).status_code == 429


def test_a_file_that_cannot_be_written_keeps_the_password(
    client: TestClient, file: AccountsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(client)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("connectors.access.accounts.replace_private", full)
    answer = change(client, CHANGE)
    assert (answer.status_code, str(file.path) in answer.text) == (503, False)
    assert client.get("/api/ward").status_code == 200
