"""To log in, to be told who one is, and to log out.

::

    POST /api/session      {"name": "nurse-7", "password": "..."}; sets the cookie of a new session
    GET /api/session       {"name": "nurse-7", "role": "clinician", "may": ["act", "ask", "look"]}
    DELETE /api/session    the session is over, wherever it is open

Each needs the header ``X-Dosetwin: act`` where it changes something, so that no other site can log anybody in or out.
"""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from connectors.access.doorkeeper import Doorkeeper, NotLetIn
from connectors.access.roles import Deed, Who
from connectors.console.door.answers import as_json
from connectors.console.door.reading import read, sent_from_here
from connectors.console.door.visitor import cookie_of, is_somebody, session_of, visitor_of
from connectors.console.door.witness import visit

AT_ONCE, MOST_WAITING = 2, 20
"""Passwords that are looked at side by side, each with 64 MiB, and how many may wait for that."""


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    password: str


_decoder = msgspec.json.Decoder(_Said)


class LogIn:
    """The routes; without a doorkeeper nobody logs in."""

    def __init__(self, keeper: Doorkeeper | None, page: Path) -> None:
        self._keeper, self._page = keeper, page
        self._turn = anyio.CapacityLimiter(AT_ONCE)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/login", self._shown),
            Route("/api/session", self._told, methods=["GET"]),
            Route("/api/session", self._begun, methods=["POST"]),
            Route("/api/session", self._ended, methods=["DELETE"]),
        ]

    async def _shown(self, request: Request) -> Response:
        return RedirectResponse("./", 303) if is_somebody(request) else FileResponse(self._page)

    async def _told(self, request: Request) -> Response:
        return as_json(_words(visitor_of(request).who))

    async def _begun(self, request: Request) -> Response:
        said = await read(request, _decoder, "name and password")
        if self._keeper is None:
            raise HTTPException(404, "nobody logs in here: this console has no accounts")
        if self._turn.statistics().tasks_waiting >= MOST_WAITING:
            raise HTTPException(503, f"{MOST_WAITING} are logging in already; try again in a while")
        address, recorded = request.client.host if request.client else "", visit()
        if recorded and self._keeper.knows(said.name):
            recorded.who = said.name
        try:
            session = await anyio.to_thread.run_sync(
                self._keeper.log_in, said.name, said.password, address, limiter=self._turn
            )
        except NotLetIn as error:
            retry = {"retry-after": str(error.wait)} if error.wait else None
            raise HTTPException(429 if error.wait else 401, str(error), retry) from None
        self._keeper.log_out(session_of(request))
        who = self._keeper.in_session(session, use=True)
        if who is None:
            raise HTTPException(401, "the account has changed meanwhile; log in again")
        if recorded:
            recorded.role = who.role or ""
        response = as_json(_words(who))
        name, secure = cookie_of(request)
        response.set_cookie(name, session, path="/", secure=secure, httponly=True, samesite="strict")
        return response

    async def _ended(self, request: Request) -> Response:
        sent_from_here(request)
        if self._keeper is not None:
            self._keeper.log_out(session_of(request))
        response = Response(status_code=204)
        name, secure = cookie_of(request)
        response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")
        return response


def _words(who: Who) -> dict[str, object]:
    return {"name": who.name, "role": who.role, "may": sorted(deed.value for deed in Deed if who.may(deed))}
