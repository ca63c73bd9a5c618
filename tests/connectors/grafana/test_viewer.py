"""A user of Grafana who may look and no more, asked of a server that answers as Grafana's documents say."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connectors.grafana.viewer import ADDRESS, ADMINISTRATOR, VIEWER, main


class Documented(BaseHTTPRequestHandler):
    """Grafana's HTTP API of users, as far as it is asked here: no Grafana runs where these tests do."""

    users: dict[str, dict[str, Any]]

    def _answer(self, status: int, **body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _do(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        known = "Basic " + base64.b64encode(b"admin:right").decode()
        if self.headers["Authorization"] != known:
            return self._answer(401, message="Invalid username or password")
        path, _, query = self.path.partition("?")
        by_id = {str(user["id"]): user for user in self.users.values()}
        match self.command, path.strip("/").split("/"):
            case "POST", ["api", "admin", "users"] if body["login"] in self.users:
                return self._answer(412, message="User already exists")
            case "POST", ["api", "admin", "users"] if len(body["password"]) < 4:
                return self._answer(400, message="Password is missing or too short")
            case "POST", ["api", "admin", "users"]:
                self.users[body["login"]] = {"id": 7, "password": body["password"], "role": "Editor", "admin": True}
                return self._answer(200, id=7, message="User created")
            case "GET", ["api", "users", "lookup"]:
                return self._answer(200, id=self.users[query.removeprefix("loginOrEmail=")]["id"])
            case "PUT", ["api", "admin", "users", number, "password"]:
                by_id[number]["password"] = body["password"]
            case "PUT", ["api", "admin", "users", number, "permissions"]:
                by_id[number]["admin"] = body["isGrafanaAdmin"]
            case "PATCH", ["api", "org", "users", number]:
                by_id[number]["role"] = body["role"]
            case _:
                return self._answer(404, message="Not found")
        return self._answer(200, message="done")

    do_GET = do_POST = do_PUT = do_PATCH = _do

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, dict[str, Any]]]:
    class Handler(Documented):
        users: dict[str, dict[str, Any]] = {}  # noqa: RUF012 (of this test alone)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name, value in (
        (ADDRESS, f"http://127.0.0.1:{server.server_port}/"),
        (ADMINISTRATOR, "right"),
        (VIEWER, "look"),
    ):
        monkeypatch.setenv(name, value)
    yield Handler.users
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_viewer_may_look_and_no_more_and_gets_a_new_password_when_said_again(
    users: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ward-3"]) == 0
    assert users == {"ward-3": {"id": 7, "password": "look", "role": "Viewer", "admin": False}}
    users["ward-3"] |= {"role": "Admin", "admin": True}
    monkeypatch.setenv(VIEWER, "another")
    assert main(["ward-3"]) == 0
    assert users == {"ward-3": {"id": 7, "password": "another", "role": "Viewer", "admin": False}}
    assert capsys.readouterr().out == "viewer: ward-3\n" * 2


@pytest.mark.parametrize(
    ("variable", "value", "name", "says"),
    [
        (ADMINISTRATOR, "wrong", "ward-3", f"does not let 'admin' in: mend {ADMINISTRATOR}"),
        (VIEWER, "", "ward-3", f"{VIEWER} is not set"),
        (VIEWER, "abc", "ward-3", "makes no user 'ward-3': 400 Password is missing or too short"),
        (ADDRESS, "http://127.0.0.1:1", "ward-3", f"{ADDRESS}=http://127.0.0.1:1: no Grafana answers there"),
        (VIEWER, "look", "admin", "name another user"),
    ],
)
@pytest.mark.usefixtures("users")
def test_what_keeps_a_viewer_from_being_made_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    variable: str, value: str, name: str, says: str,
) -> None:  # fmt: skip
    monkeypatch.setenv(variable, value)
    assert main([name]) == 1
    assert says in capsys.readouterr().err
