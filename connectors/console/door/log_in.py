"""To log in by a password, to be told who one is, to take another password, and to log out.

::

    GET /api/log-in              {"password": true, "provider": {"title": "...", "address": "..."}}: how one may log in
    POST /api/session            {"name": "nurse-7", "password": "..."}; sets the cookie of a new session
    GET /api/session             {"name": "nurse-7", "role": "clinician", "may": ["act", "ask", "export", "look"],
                                  "patients": "WARD3-*", "password": true}
    POST /api/session/password   {"old": "...", "new": "..."}; all other sessions of the account end
    DELETE /api/session          the session is over, wherever it is open; {"go": "..."} where the provider logs out too

Each needs the header ``X-Dosetwin: act`` where it changes something, so that no other site can log anybody in or out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from connectors.access.accounts import AccountsError
from connectors.access.doorkeeper import Doorkeeper, NotChanged, NotLetIn
from connectors.access.oidc.log_in import ProviderLogIn
from connectors.access.roles import Deed, Who
from connectors.console.door.answers import as_json
from connectors.console.door.reading import read, sent_from_here
from connectors.console.door.visitor import cookie_of, give_session, is_somebody, session_of, visitor_of
from connectors.console.door.witness import visit

AT_ONCE, MOST_WAITING = 2, 20
"""Passwords that are looked at side by side, each with 64 MiB, and how many may wait for that."""

log = structlog.get_logger(__name__)


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    password: str


class _Changed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    old: str
    new: str


_said, _changed = msgspec.json.Decoder(_Said), msgspec.json.Decoder(_Changed)


class LogIn:
    """The routes; without a doorkeeper nobody logs in. ``pages`` holds the pages to log in and of one's account."""

    def __init__(self, keeper: Doorkeeper | None, provider: ProviderLogIn | None, pages: Path) -> None:
        self._keeper, self._provider, self._pages = keeper, provider, pages
        self._turn = anyio.CapacityLimiter(AT_ONCE)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/login", self._shown),
            Route("/account", self._own),
            Route("/api/log-in", self._ways),
            Route("/api/session", self._told, methods=["GET"]),
            Route("/api/session", self._begun, methods=["POST"]),
            Route("/api/session/password", self._password, methods=["POST"]),
            Route("/api/session", self._ended, methods=["DELETE"]),
        ]

    async def _shown(self, request: Request) -> Response:
        return RedirectResponse("./", 303) if is_somebody(request) else FileResponse(self._pages / "login.html")

    async def _own(self, _: Request) -> Response:
        return RedirectResponse("./", 303) if self._keeper is None else FileResponse(self._pages / "account.html")

    async def _ways(self, _: Request) -> Response:
        said = None if self._provider is None else self._provider.settings
        provider = said and {"title": said.title, "address": f"{said.console}/oidc/log-in"}
        return as_json({"password": self._keeper is not None and self._keeper.has_accounts, "provider": provider})

    async def _told(self, request: Request) -> Response:
        session = "" if "authorization" in request.headers else session_of(request)
        return as_json(self._words(visitor_of(request).who, session))

    async def _begun(self, request: Request) -> Response:
        said = await read(request, _said, "name and password")
        keeper = self._keeper
        if keeper is None or not keeper.has_accounts:
            raise HTTPException(404, "nobody logs in by a password here: this console has no accounts")
        recorded = visit()
        if recorded and keeper.knows(said.name):
            recorded.who = said.name
        session = await self._in_turn(lambda address: keeper.log_in(said.name, said.password, address), request)
        return self._answered(keeper, request, session)

    async def _password(self, request: Request) -> Response:
        said = await read(request, _changed, "old and new")
        visitor_of(request)
        keeper, session = self._keeper, session_of(request)
        if keeper is None:
            raise HTTPException(404, "nobody logs in here: this console has no accounts")
        if "authorization" in request.headers:
            raise HTTPException(403, "a token has no password")
        try:
            made = await self._in_turn(
                lambda address: keeper.change_password(session, said.old, said.new, address), request
            )
        except NotChanged as error:
            raise HTTPException(409, str(error)) from None
        except AccountsError as error:
            log.error("password_not_changed", cause=str(error))
            raise HTTPException(503, "it cannot be kept here; whoever runs the console can change it") from None
        return self._answered(keeper, request, made)

    async def _in_turn(self, look: Callable[[str], str], request: Request) -> str:
        """The session that comes of looking at a password."""
        if self._turn.statistics().tasks_waiting >= MOST_WAITING:
            raise HTTPException(503, f"{MOST_WAITING} are logging in already; try again in a while")
        address = request.client.host if request.client else ""
        try:
            return await anyio.to_thread.run_sync(look, address, limiter=self._turn)
        except NotLetIn as error:
            retry = {"retry-after": str(error.wait)} if error.wait else None
            raise HTTPException(429 if error.wait else 401, str(error), retry) from None

    def _answered(self, keeper: Doorkeeper, request: Request, session: str) -> Response:
        """Who it is, with the cookie of a new session; the one that was there is over."""
        keeper.log_out(session_of(request))
        who = keeper.in_session(session, use=True)
        if who is None:
            raise HTTPException(401, "the account has changed meanwhile; log in again")
        if recorded := visit():
            recorded.who, recorded.role = who.name, who.role or ""
        response = as_json(self._words(who, session))
        give_session(request, response, session)
        return response

    async def _ended(self, request: Request) -> Response:
        sent_from_here(request)
        session, go = session_of(request), None
        if self._provider is not None:
            go = await anyio.to_thread.run_sync(self._provider.leave, session)
        if self._keeper is not None:
            self._keeper.log_out(session)
        response = Response(status_code=204) if go is None else as_json({"go": go})
        name, secure = cookie_of(request)
        response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")
        return response

    def _words(self, who: Who, session: str) -> dict[str, object]:
        local = self._keeper is not None and self._keeper.is_of_account(session)
        return {
            "name": who.name,
            "role": who.role,
            "may": sorted(deed.value for deed in Deed if who.may(deed)),
            "patients": ",".join(who.patients) or "*",
            "password": local,
        }
