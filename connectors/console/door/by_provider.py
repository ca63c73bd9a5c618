"""To log in through a provider of identities, and to be logged out by it (`connectors.access.oidc`).

::

    GET /oidc/log-in     sends the browser to the provider
    GET /oidc/callback   where the provider sends it back to: sets the cookie of a new session
    POST /oidc/log-out   the provider ends sessions, by a logout token: OpenID Connect Back-Channel Logout 1.0

No address is taken from a request: a browser is sent to the provider, and then to this console's own pages.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from connectors.access.doorkeeper import Doorkeeper
from connectors.access.oidc.log_in import ProviderLogIn, Refused
from connectors.access.oidc.provider import ProviderError
from connectors.access.oidc.requests import LASTS
from connectors.access.oidc.signed_tokens import BadToken
from connectors.console.door.reading import body_of
from connectors.console.door.visitor import cookie_of, give_session, session_of
from connectors.console.door.witness import visit

AT_ONCE, MOST_WAITING = 4, 40
"""Questions to the provider side by side, and how many may wait for that."""

MOST_BYTES = 32_000
"""Of what a provider posts."""

MOST_FIELDS = 20
"""Of what a browser brings back, or a provider posts."""


class ByProvider:
    """The routes; in ``pages`` is the one that leads a browser with a session on to the ward."""

    def __init__(self, keeper: Doorkeeper, provider: ProviderLogIn, pages: Path) -> None:
        self._keeper, self._provider, self._page = keeper, provider, pages / "entered.html"
        self._turn = anyio.CapacityLimiter(AT_ONCE)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/oidc/log-in", self._begun),
            Route("/oidc/callback", self._back),
            Route("/oidc/log-out", self._ended, methods=["POST"]),
        ]

    async def _begun(self, request: Request) -> Response:
        settings = self._provider.settings
        if request.headers.get("host", "").lower() != settings.place:
            raise HTTPException(400, f"log in at {settings.console}, as the provider knows this console")
        self._is_not_too_much()
        try:
            address, kept = await anyio.to_thread.run_sync(self._provider.begin, limiter=self._turn)
        except Refused as refused:
            return _away(refused)
        response = RedirectResponse(address, 303)
        name, secure = _cookie_of(request)
        age = int(LASTS.total_seconds())
        response.set_cookie(name, kept, age, path="/", secure=secure, httponly=True, samesite="lax")
        return response

    async def _back(self, request: Request) -> Response:
        name, secure = _cookie_of(request)
        fields = request.query_params.multi_items()
        answer = dict(fields)
        kept, address = request.cookies.get(name, ""), request.client.host if request.client else ""
        self._is_not_too_much()
        try:
            if len(answer) != len(fields) or len(fields) > MOST_FIELDS:
                raise Refused("again")
            session = await anyio.to_thread.run_sync(self._provider.finish, answer, kept, address, limiter=self._turn)
        except Refused as refused:
            response = _away(refused)
        else:
            self._keeper.log_out(session_of(request))
            who, recorded = self._keeper.in_session(session, use=True), visit()
            if recorded and who:
                recorded.who, recorded.role = who.name, who.role or ""
            # a page, not a redirect: a browser that comes from another site sends the session's cookie only afterwards
            response = FileResponse(self._page)
            give_session(request, response, session)
        response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")
        return response

    async def _ended(self, request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise HTTPException(415, f"content-type {kind[:80]!r}: send application/x-www-form-urlencoded")
        try:
            fields = parse_qsl((await body_of(request, MOST_BYTES)).decode("ascii"), max_num_fields=MOST_FIELDS)
        except ValueError:  # UnicodeDecodeError is one
            raise HTTPException(400, "no form with a logout_token") from None
        tokens = [value for name, value in fields if name == "logout_token"]
        if len(tokens) != 1:
            raise HTTPException(400, f"{len(tokens)} logout_token, expected one")
        self._is_not_too_much()
        try:
            names = await anyio.to_thread.run_sync(self._provider.end, tokens[0], limiter=self._turn)
        except BadToken as error:
            raise HTTPException(400, f"logout_token: {error}") from None
        except ProviderError as error:
            raise HTTPException(503, f"the key of the logout_token cannot be asked for: {error}") from None
        recorded = visit()
        if recorded and names:
            recorded.who = names[0]  # a provider ends one person's sessions
        return Response(status_code=200)

    def _is_not_too_much(self) -> None:
        if self._turn.statistics().tasks_waiting >= MOST_WAITING:
            raise HTTPException(503, "too many are logging in; try again in a while")


def _away(refused: Refused) -> Response:
    """Back to the page to log in, which has words for it."""
    if recorded := visit():
        recorded.refused = True
    return RedirectResponse(f"../login?why={refused.kind}", 303)


def _cookie_of(request: Request) -> tuple[str, bool]:
    """The name of the cookie of a log-in that is on its way, and whether it goes by TLS alone."""
    name, secure = cookie_of(request)
    return f"{name}-log-in", secure
