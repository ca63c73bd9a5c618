"""A user of Grafana who may look at the boards and change nothing: ``python -m connectors.grafana.viewer NAME``.

Grafana reads boards and sources from files, but no users. Said again it gives the user a new password, and takes back
what rights it was given meanwhile. By Grafana's HTTP API of administrators, and of users of an organisation.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

ADDRESS, ADMINISTRATOR, VIEWER = "DOSETWIN_GRAFANA_URL", "DOSETWIN_GRAFANA_PASSWORD", "DOSETWIN_GRAFANA_VIEWER_PASSWORD"
"""Variables: where Grafana is, the password of its user ``admin``, and that which the viewer gets."""

EXISTS = 412
"""What Grafana answers where the name is taken."""


class GrafanaRefuses(RuntimeError):
    """Grafana does not do it; the message says why, and what to mend."""


@dataclass(frozen=True)
class Grafana:
    """A Grafana, entered as its administrator; the password does not show."""

    address: str
    password: str

    def __repr__(self) -> str:
        return f"Grafana({self.address!r})"

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer.

        Raises:
            GrafanaRefuses: nobody answers, or the administrator's password is wrong.
        """
        parts = urlsplit(self.address)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        known = base64.b64encode(f"admin:{self.password}".encode()).decode("ascii")
        headers = {"Authorization": f"Basic {known}", "Content-Type": "application/json"}
        connection = kind(parts.netloc, timeout=20)
        try:
            connection.request(method, parts.path.rstrip("/") + path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            status, text = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise GrafanaRefuses(f"{ADDRESS}={self.address}: no Grafana answers there ({error})") from None
        finally:
            connection.close()
        if status in (401, 403):
            raise GrafanaRefuses(f"Grafana at {self.address} does not let 'admin' in: mend {ADMINISTRATOR}")
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {}
        return status, answer if isinstance(answer, dict) else {}

    def done(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """As `ask`, where anything but success is a refusal."""
        status, answer = self.ask(method, path, body)
        if status != 200:
            raise GrafanaRefuses(f"Grafana at {self.address}: {method} {path.partition('?')[0]}: "
                                 f"{status} {answer.get('message', '')}")  # fmt: skip
        return answer


def make_viewer(grafana: Grafana, name: str, password: str) -> int:
    """Have a user of that name who may look and no more; returns the user's id.

    Raises:
        GrafanaRefuses: why there is none.
    """
    status, answer = grafana.ask("POST", "/api/admin/users", {"name": name, "login": name, "password": password})
    if status == EXISTS:
        user = int(grafana.done("GET", f"/api/users/lookup?loginOrEmail={quote(name, safe='')}")["id"])
        grafana.done("PUT", f"/api/admin/users/{user}/password", {"password": password})
    elif status == 200:
        user = int(answer["id"])
    else:
        raise GrafanaRefuses(
            f"Grafana at {grafana.address} makes no user '{name}': {status} {answer.get('message', '')}"
        )
    grafana.done("PUT", f"/api/admin/users/{user}/permissions", {"isGrafanaAdmin": False})
    grafana.done("PATCH", f"/api/org/users/{user}", {"role": "Viewer"})
    return user


def main(arguments: list[str] | None = None) -> int:
    """Make the viewer that is named; 1 with the reason on stderr where Grafana does not."""
    parser = argparse.ArgumentParser(description="Make a user of Grafana who may look and no more.")
    parser.add_argument("name", help="of the user; not admin")
    name = parser.parse_args(arguments).name
    try:
        if name == "admin":
            raise GrafanaRefuses("'admin' is who makes the others: name another user")
        for variable in (ADMINISTRATOR, VIEWER):
            if not os.environ.get(variable):
                raise GrafanaRefuses(f"{variable} is not set")
        grafana = Grafana(os.environ.get(ADDRESS) or "http://127.0.0.1:3000", os.environ[ADMINISTRATOR])
        make_viewer(grafana, name, os.environ[VIEWER])
    except GrafanaRefuses as error:
        print(f"dosetwin: {error}", file=sys.stderr)
        return 1
    print(f"viewer: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
