"""A console at work, and how it is visited: over HTTP, by its socket and by its stream, with whatever key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from connectors.access.accounts import AccountsFile
from connectors.access.doorkeeper import Doorkeeper
from connectors.access.oidc.log_in import ProviderLogIn
from tests.connectors.access.keys import PASSWORD
from tests.connectors.access.oidc.lying import Lying

ACTS = {"x-dosetwin": "act"}

SOCKET, FILES = "WEBSOCKET", "FILES"


@dataclass
class Clock:
    """The time, which may be put off."""

    off: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.off


@dataclass
class Visited:
    """A console at work, and what it is made of."""

    app: Starlette
    place: str
    keeper: Doorkeeper
    file: AccountsFile
    clock: Clock
    provider: ProviderLogIn
    identities: Lying
    sessions: dict[str, str] = field(default_factory=dict)

    def routes(self) -> set[tuple[str, str]]:
        """Method and path of every route, as the application has them."""
        found = set()
        for route in self.app.routes:
            if isinstance(route, Route):
                found |= {(method, route.path) for method in (route.methods or set()) - {"HEAD"}}
            else:
                assert isinstance(route, WebSocketRoute | Mount)
                found.add((SOCKET if isinstance(route, WebSocketRoute) else FILES, route.path))
        return found

    def session(self, name: str) -> dict[str, str]:
        """The header of somebody who is logged in."""
        if name not in self.sessions:
            self.sessions[name] = self.keeper.log_in(name, PASSWORD, "test")
        return {"cookie": f"dosetwin={self.sessions[name]}"}

    def entered(self, name: str = "nora-7", **claims: Any) -> dict[str, str]:
        """The header of somebody who is logged in through the provider, of whom it says that."""
        if name not in self.sessions:
            self.identities.claims = {"preferred_username": name} | claims
            address, cookie = self.provider.begin()
            self.sessions[name] = self.provider.finish(self.identities.let_in(address), cookie, "test")
            self.identities.claims = {}
        return {"cookie": f"dosetwin={self.sessions[name]}"}

    def ask(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> httpx2.Response:
        """The answer; of one that has no end, its beginning."""
        with httpx2.Client(base_url=f"http://{self.place}", trust_env=False, verify=False, timeout=60) as client:
            asked = client.build_request(method, path, headers=headers, json=body)
            answer = client.send(asked, stream=True)
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                answer.read()
            answer.close()
            return answer

    def open_page(self, headers: dict[str, str], origin: str | None = None) -> ClientConnection:
        """The page's socket."""
        return connect(f"ws://{self.place}/live", additional_headers=headers, origin=origin, proxy=None)  # type: ignore[arg-type]

    def socket_status(self, headers: dict[str, str], origin: str | None = None) -> int:
        """101 where the socket opens, else why not."""
        try:
            with self.open_page(headers, origin):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code


def ended(page: Any) -> int | None:
    """The code with which a page is closed, however much it is told before."""
    try:
        while True:
            page.recv(timeout=60)
    except ConnectionClosed as closed:
        return closed.rcvd and closed.rcvd.code
