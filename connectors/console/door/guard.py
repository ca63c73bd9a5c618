"""What keeps other sites out: the console answers to its own names alone, and lets no page of another site act or read.

A page of another site in the same browser can reach a server on localhost: by the Host header (a name that its owner
points at 127.0.0.1), by a WebSocket, which browsers do not keep to one origin, or by a form. All are refused here.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from connectors.console.door.answers import problem

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}

STATIC = "/static/"
"""Where what is the same for all stands: a browser may keep it; all else it may not."""

HTTPS_ONLY = {"strict-transport-security": "max-age=31536000"}
"""Of what came by TLS."""


class Guard:
    """Refuses other names and other sites, and puts the security headers on everything."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope), scope.get("method"))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                told.update(HEADERS | (HTTPS_ONLY if scope["scheme"] == "https" else {}))
                told["cache-control"] = "no-cache" if scope["path"].startswith(STATIC) else "no-store"
            await send(message)

        if refusal is None:
            await self.app(scope, receive, with_headers)
        elif scope["type"] == "http":
            await problem(*refusal)(scope, receive, with_headers)
        else:
            await WebSocket(scope, receive, send).close(1008, refusal[0])

    def _refusal(self, headers: Headers, method: str | None) -> tuple[str, int] | None:
        """Why a request by a method, or a WebSocket (None), is not answered, and with which status."""
        host = headers.get("host", "")
        if name_of(host) not in self._hosts:
            return f"this console answers to {', '.join(sorted(self._hosts))} only", 400
        if method in ("GET", "HEAD"):  # of these a browser keeps the answers from other sites
            return None
        origin = headers.get("origin")
        if origin is not None and _place_of(origin) != host.lower():
            return f"a page of another site may not {'read the ward' if method is None else 'do anything here'}", 403
        if method is not None and headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return "a page of another site may not do anything here", 403
        return None


def name_of(host: str) -> str | None:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _place_of(origin: str) -> str | None:
    """Name and port of an Origin header; None of one that has none, as ``null``."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
