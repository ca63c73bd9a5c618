"""The console's web server: one page, a small JSON API, the WebSocket that keeps open pages up to date (`pages`), the
stream of alerts, and what can be done here: to acknowledge, shelve or comment an alert, and to ask a twin for advice.

It has no way to reach a pump.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from connectors.console.alert_log import Follower
from connectors.console.alert_stream import HEARTBEAT as STREAM_HEARTBEAT
from connectors.console.alert_stream import AlertStream, asked
from connectors.console.board import UnknownPatient
from connectors.console.doing.actions import act
from connectors.console.doing.questions import question
from connectors.console.doing.way_in import OFF, WayIn
from connectors.console.sessions import PATIENT_ID, PATIENT_ID_RULE, Frames, Page
from connectors.console.topic_reader import LiveBoard, TopicReader
from connectors.services.ports import LOCAL_HOSTS, joined

STATIC = Path(__file__).parent / "static"
CHARTS = STATIC / "vendor" / "uPlot.iife.min.js"

TICK = 0.3
"""Seconds between looks at the board: no page gets frames faster."""

HEARTBEAT = 2.0
"""Seconds after which a page hears from the server even if nothing changed."""

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}


class ConsoleError(RuntimeError):
    """The console cannot be served; the message says how to mend it."""


class Guard:
    """Answers only to its own name, lets no other site's page connect, and puts the security headers on everything.

    A page of another site in the same browser can reach a server on localhost: by the Host header (a name that its
    owner points at 127.0.0.1), by a WebSocket, which browsers do not keep to one origin, or by a form. All are refused
    here.
    """

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
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if refusal is None:
            await self.app(scope, receive, with_headers)
        elif scope["type"] == "http":
            await _problem(*refusal)(scope, receive, with_headers)
        else:
            await WebSocket(scope, receive, send).close(1008, refusal[0])

    def _refusal(self, headers: Headers, method: str | None) -> tuple[str, int] | None:
        """Why a request by a method, or a WebSocket (None), is not answered, and with which status."""
        host = headers.get("host", "")
        if _name_of(host) not in self._hosts:
            return f"this console answers to {', '.join(sorted(self._hosts))} only", 400
        if method in ("GET", "HEAD"):  # of these a browser keeps the answers from other sites
            return None
        origin = headers.get("origin")
        if origin is not None and _place_of(origin) != host.lower():
            return f"a page of another site may not {'read the ward' if method is None else 'do anything here'}", 403
        if method is not None and headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return "a page of another site may not do anything here", 403
        return None


def _name_of(host: str) -> str | None:
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


def create_app(
    live: LiveBoard,
    reader: TopicReader | None = None,
    way_in: WayIn | None = None,
    *,
    hosts: Collection[str] = LOCAL_HOSTS,
    tick: float = TICK,
    heartbeat: float = HEARTBEAT,
    stream_heartbeat: float = STREAM_HEARTBEAT,
) -> Starlette:
    """The console as an ASGI application.

    Args:
        live: the board it shows.
        reader: started and stopped with the application; None when something else fills the board.
        way_in: takes what people do about alerts and ask of twins; None where nothing may be done.
        hosts: host names it answers to.
        tick: least seconds between frames to a page.
        heartbeat: most seconds between frames to a page.
        stream_heartbeat: most seconds between two words on the stream of alerts.
    """
    frames = Frames(live)

    async def pages(websocket: WebSocket) -> None:
        await websocket.accept()
        await Page(websocket, live, frames, tick, heartbeat, acts=way_in is not None).run()

    async def alerts(request: Request) -> Response | AlertStream:
        try:
            after, wanted = asked(request.query_params.multi_items(), request.headers.get("last-event-id", ""))
        except ValueError as error:
            return _problem(str(error), 400)
        return AlertStream(live, Follower(live.alerts, after, wanted.wants), tick, stream_heartbeat)

    async def acted(request: Request) -> Response:
        if way_in is None:
            raise HTTPException(403, OFF)
        word = await act(way_in, request)
        return _json({"event_id": word.event_id, "time": word.time, "until": word.until}, 202)

    async def asked_of_twin(request: Request) -> Response:
        if way_in is None:
            raise HTTPException(403, OFF)
        word = await question(way_in, request)
        return _json({"event_id": word.event_id, "time": word.time}, 202)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if reader is not None:
            reader.start()
        yield
        if reader is not None:
            await asyncio.to_thread(reader.stop)
        if way_in is not None:
            await asyncio.to_thread(way_in.sender.close)

    return Starlette(
        routes=[
            Route("/", _index),
            WebSocketRoute("/live", pages),
            Route("/api/ward", _ward_endpoint(live)),
            Route("/api/patients/{patient_id}", _patient_endpoint(live)),
            Route("/api/alerts/stream", alerts),
            Route("/api/alerts/{alert_id}/actions", acted, methods=["POST"]),
            Route("/api/patients/{patient_id}/advice", asked_of_twin, methods=["POST"]),
            Route("/healthz", _health_endpoint(live)),
            Route("/readyz", _ready_endpoint(live)),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={HTTPException: _http_problem, Exception: _failure},
        lifespan=lifespan,
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on ``host``; port 0 takes any free port. Raises `ConsoleError` when that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConsoleError(f"cannot listen on {host}:{port} ({error}): choose another --port, or 0 for any") from None
    return listener


def address_of(listener: socket.socket) -> str:
    """The page's address, e.g. ``http://127.0.0.1:8500``."""
    host, port = listener.getsockname()[:2]
    return f"http://{joined(host, port)}"


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until interrupted (SIGINT or SIGTERM); open pages do not hold it up."""
    server_of(app).run(sockets=[listener])


def server_of(app: ASGIApp) -> Any:
    """The `uvicorn.Server` of the console; setting its ``should_exit`` ends it."""
    from connectors.console.connections import bounded

    return bounded(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws_per_message_deflate=False,
        ws_max_size=4096,
        timeout_graceful_shutdown=2,
    )


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


ERRORS = {
    400: "bad_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    503: "unavailable",
}


def _problem(detail: str, status: int) -> Response:
    return _json({"error": ERRORS.get(status, "failed"), "detail": detail}, status)


async def _index(_: Request) -> Response:
    return FileResponse(STATIC / "index.html")


Endpoint = Callable[[Request], Awaitable[Response]]


def _ward_endpoint(live: LiveBoard) -> Endpoint:
    async def ward(_: Request) -> Response:
        return _json(live.ward())

    return ward


def _patient_endpoint(live: LiveBoard) -> Endpoint:
    async def patient(request: Request) -> Response:
        patient_id = request.path_params["patient_id"]
        try:
            return _json(live.patient(PATIENT_ID.validate_python(patient_id)))
        except ValidationError:
            return _problem(f"patient id {patient_id[:80]!r}: expected {PATIENT_ID_RULE}", 400)
        except UnknownPatient:
            close = live.near(patient_id)
            hint = f"did you mean '{close}'?" if close else "/api/ward lists who is on the ward"
            return _problem(f"nothing is known of patient {patient_id}; {hint}", 404)

    return patient


def _health_endpoint(live: LiveBoard) -> Endpoint:
    async def health(_: Request) -> Response:
        status, pulse = live.status, live.pulse()
        well = not has_ended(live) and pulse.level < 2
        body = {
            "status": "ok" if well else "failing",
            "reader": status,
            "worker": pulse,
            "patients": len(live.board),
            "charts": CHARTS.exists(),
        }
        return _json(body, 200 if well else 503)

    return health


def _ready_endpoint(live: LiveBoard) -> Endpoint:
    async def ready(_: Request) -> Response:
        wrong = waits_for(live)
        return _json({"status": "failing", "detail": wrong} if wrong else {"status": "ok"}, 503 if wrong else 200)

    return ready


def waits_for(live: LiveBoard) -> str:
    """Why what is shown is not the ward as it is now; empty where it is."""
    status = live.status
    return "" if status.state == "live" else f"the reader is {status.state} {status.detail}".rstrip()


def has_ended(live: LiveBoard) -> str:
    """Why the console must be started again; empty where it need not."""
    return "the reader has failed; see the log" if live.status.state == "stopped" else ""


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404 and error.detail == HTTPStatus.NOT_FOUND.phrase:
        return _problem(f"there is nothing at {request.url.path[:200]}", 404)
    response = _problem(str(error.detail), error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _failure(_: Request, __: Exception) -> Response:
    return _problem("the console failed to answer; see its log", 500)
