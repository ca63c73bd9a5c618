"""Who visits: found for every request and socket by a session's cookie or a token, and whether they are still let in.

Where somebody must log in, nothing is answered to nobody but the page to log in, what it is made of, and whether the
console lives. What each role may do is asked at each route (`may`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from connectors.access.doorkeeper import Doorkeeper
from connectors.access.roles import WHOEVER, Deed, Who
from connectors.console.door.answers import problem
from connectors.console.door.guard import STATIC, name_of
from connectors.services.ports import LOCAL_HOSTS

OPEN = {
    ("GET", "/login"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("POST", "/api/session"),
    ("GET", "/api/log-in"),
    ("GET", "/oidc/log-in"),
    ("GET", "/oidc/callback"),
    ("POST", "/oidc/log-out"),
}
"""What is answered to nobody."""

PAGES = {("GET", "/"), ("GET", "/account")}
"""From which nobody is led to log in."""

UNUSED = {"/live", "/api/alerts/stream", "/api/session"}
"""What pages ask for by themselves: a session does not go on by it."""

LOG_IN = "log in at /login, or send 'Authorization: Bearer TOKEN'"

_KEY = "dosetwin.visitor"

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Visitor:
    """Somebody who is let in; ``again`` finds out anew who it is, and whether they do something (``use``)."""

    who: Who
    again: Callable[[bool], Who | None] = lambda _: WHOEVER

    def still_in(self) -> bool:
        """Whether they are still let in, as what they were."""
        return self.again(False) == self.who

    def does_something(self) -> None:
        """They are not idle."""
        self.again(True)


HERE = Visitor(WHOEVER)
"""Who uses this machine, where nobody logs in."""


class Door:
    """Finds the visitor, and refuses nobody's requests; without a doorkeeper everybody is let in."""

    def __init__(self, app: ASGIApp, keeper: Doorkeeper | None) -> None:
        self.app, self._keeper = app, keeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        visitor = HERE if self._keeper is None else _found(self._keeper, HTTPConnection(scope))
        scope[_KEY] = visitor
        if visitor is not None or _is_open(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).close(1008, LOG_IN)
        elif (scope["method"], scope["path"]) in PAGES:
            await RedirectResponse("login", 303)(scope, receive, send)
        else:
            response = problem(LOG_IN, 401)
            response.headers["www-authenticate"] = "Bearer"
            await response(scope, receive, send)


def _is_open(scope: Scope) -> bool:
    method = "GET" if scope.get("method") == "HEAD" else scope.get("method")
    return (method, scope["path"]) in OPEN or (method == "GET" and scope["path"].startswith(STATIC))


def _found(keeper: Doorkeeper, asked: HTTPConnection) -> Visitor | None:
    shown = asked.headers.get("authorization")
    if shown is not None:
        who = keeper.with_token(shown)
        return None if who is None else Visitor(who, lambda _: keeper.with_token(shown))
    session = session_of(asked)
    who = keeper.in_session(session, use=asked.scope["path"] not in UNUSED) if session else None
    return None if who is None else Visitor(who, lambda use: keeper.in_session(session, use=use))


def cookie_of(asked: HTTPConnection) -> tuple[str, bool]:
    """The name of a session's cookie, and whether it goes by TLS alone: everywhere but on this machine."""
    local = name_of(asked.headers.get("host", "")) in LOCAL_HOSTS
    return ("dosetwin", False) if local else ("__Host-dosetwin", True)


def give_session(asked: HTTPConnection, response: Response, session: str) -> None:
    """A browser keeps a session; no script reads it, and no other site sends it."""
    name, secure = cookie_of(asked)
    response.set_cookie(name, session, path="/", secure=secure, httponly=True, samesite="strict")


def session_of(asked: HTTPConnection) -> str:
    """The session that a request brings; empty where it brings none."""
    return asked.cookies.get(cookie_of(asked)[0], "")


def visitor_of(asked: HTTPConnection) -> Visitor:
    """Who visits. Raises `HTTPException` where it is nobody, which the door lets through to few routes only."""
    found = asked.scope.get(_KEY)
    if found is None:
        raise HTTPException(401, LOG_IN)
    assert isinstance(found, Visitor)
    return found


def is_somebody(asked: HTTPConnection) -> bool:
    """Whether somebody visits who is let in."""
    return asked.scope.get(_KEY) is not None


def may(deed: Deed, answer: Callable[[Request], Awaitable[Answer]]) -> Callable[[Request], Awaitable[Answer]]:
    """A route that answers those who may do this, and tells others why not."""

    async def asked(request: Request) -> Answer:
        who = visitor_of(request).who
        if not who.may(deed):
            raise HTTPException(403, f"{who.name!r} is {who.role!r}, which may not {deed.value} here")
        return await answer(request)

    return asked
