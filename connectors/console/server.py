"""The console's web server: one page, a small JSON API, the WebSocket that keeps open pages up to date (`pages`), the
stream of alerts, and what can be done here: to acknowledge, shelve or comment an alert, and to ask a twin for advice.
Who is answered is the door's to say (`connectors.console.door`).

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

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from connectors.access.doorkeeper import Doorkeeper
from connectors.access.oidc.log_in import ProviderLogIn
from connectors.access.roles import Deed
from connectors.audit.trail import Trail
from connectors.console.alert_log import Follower
from connectors.console.alert_stream import HEARTBEAT as STREAM_HEARTBEAT
from connectors.console.alert_stream import AlertStream, asked
from connectors.console.board import UnknownPatient
from connectors.console.doing.actions import act
from connectors.console.doing.questions import question
from connectors.console.doing.way_in import WayIn
from connectors.console.door.answers import as_json, problem
from connectors.console.door.by_provider import ByProvider
from connectors.console.door.guard import Guard
from connectors.console.door.log_in import LogIn
from connectors.console.door.seen import Seen
from connectors.console.door.visitor import Door, is_somebody, may, visitor_of
from connectors.console.door.witness import Witness
from connectors.console.inbox.explanation import UnknownAlert
from connectors.console.mending.workshop import Workshop
from connectors.console.pages import PATIENT_ID, PATIENT_ID_RULE, Frames, Page
from connectors.console.patient.model_card import Cards, no_cards
from connectors.console.personal.csv_export import CsvExport
from connectors.console.personal.preferences import OwnPreferences
from connectors.console.topic_reader import LiveBoard, TopicReader
from connectors.kafka.topics import COMMANDS
from connectors.services.ports import LOCAL_HOSTS, joined
from connectors.tls import Tls

STATIC = Path(__file__).parent / "static"
CHARTS = STATIC / "vendor" / "uPlot.iife.min.js"

TICK = 0.3
"""Seconds between looks at the board: no page gets frames faster."""

HEARTBEAT = 1.0
"""Seconds after which a page hears from the server even if nothing changed."""


class ConsoleError(RuntimeError):
    """The console cannot be served; the message says how to mend it."""


def create_app(
    live: LiveBoard,
    reader: TopicReader | None = None,
    way_in: WayIn | None = None,
    keeper: Doorkeeper | None = None,
    trail: Trail | None = None,
    workshop: Workshop | None = None,
    *,
    provider: ProviderLogIn | None = None,
    cards: Cards = no_cards,
    hosts: Collection[str] = LOCAL_HOSTS,
    boards: str | None = None,
    tick: float = TICK,
    heartbeat: float = HEARTBEAT,
    stream_heartbeat: float = STREAM_HEARTBEAT,
) -> Starlette:
    """The console as an ASGI application.

    Args:
        live: the board it shows.
        reader: started and stopped with the application; None when something else fills the board.
        way_in: takes what people do about alerts and ask of twins; None where nothing can be done.
        keeper: whom it lets in; None where nobody logs in, which is safe where this machine alone is answered.
        trail: told of all that is read, done and refused; None: nothing is recorded.
        workshop: answers engineers; None where they have nothing to see to.
        provider: by which people log in too, and the keeper has their sessions.
        cards: finds the cards of models.
        hosts: host names it answers to.
        boards: address of the Grafana that has our boards, for a link from each patient.
        tick: least seconds between frames to a page.
        heartbeat: most seconds between frames to a page.
        stream_heartbeat: most seconds between two words on the stream of alerts.
    """
    frames = Frames(live)
    own = OwnPreferences(keeper, live)

    async def pages(websocket: WebSocket) -> None:
        await websocket.accept()
        visitor = visitor_of(websocket)
        await Page(websocket, live, frames, tick, heartbeat, visitor, acts=way_in is not None, boards=boards).run()

    async def alerts(request: Request) -> Response | AlertStream:
        try:
            after, wanted = asked(request.query_params.multi_items(), request.headers.get("last-event-id", ""))
        except ValueError as error:
            return problem(str(error), 400)
        visitor = visitor_of(request)
        seen = Seen(live, visitor.who)
        follower = Follower(live.alerts, after, lambda alert: seen.wants(alert) and wanted.wants(alert))
        return AlertStream(seen, follower, tick, stream_heartbeat, visitor.still_in)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if reader is not None:
            reader.start()
        if trail is not None:
            trail.start()
        if way_in is not None:
            opening = asyncio.create_task(asyncio.to_thread(way_in.sender.open, COMMANDS))
        yield
        if reader is not None:
            await asyncio.to_thread(reader.stop)
        if way_in is not None:
            await opening
            await asyncio.to_thread(way_in.sender.close)
        if trail is not None:
            await asyncio.to_thread(trail.stop)

    return Starlette(
        routes=[
            Route("/", may(Deed.LOOK, _index)),
            WebSocketRoute("/live", pages),
            Route("/api/ward", may(Deed.LOOK, _ward_endpoint(live))),
            Route("/api/patients/{patient_id}", may(Deed.LOOK, _patient_endpoint(live))),
            Route("/api/patients/{patient_id}/csv", may(Deed.EXPORT, CsvExport(live, own).answer)),
            Route("/api/alerts/stream", may(Deed.LOOK, alerts)),
            Route("/api/alerts/{alert_id}", may(Deed.LOOK, _explanation_endpoint(live))),
            Route("/api/models/{model_id}", may(Deed.LOOK, _model_endpoint(cards))),
            *([] if way_in is None else _ways_in(way_in)),
            *([] if workshop is None else workshop.routes()),
            *LogIn(keeper, provider, STATIC).routes(),
            *([] if keeper is None or provider is None else ByProvider(keeper, provider, STATIC).routes()),
            *own.routes(),
            Route("/healthz", _health_endpoint(live)),
            Route("/readyz", _ready_endpoint(live)),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            *([] if trail is None else [Middleware(Witness, trail=trail, live=live)]),
            Middleware(Guard, hosts=hosts),
            Middleware(Door, keeper=keeper),
        ],
        exception_handlers={HTTPException: _http_problem, Exception: _failure},
        lifespan=lifespan,
    )


def _ways_in(way_in: WayIn) -> list[Route]:
    async def acted(request: Request) -> Response:
        word = await act(way_in, request)
        return as_json({"event_id": word.event_id, "time": word.time, "until": word.until}, 202)

    async def asked_of_twin(request: Request) -> Response:
        word = await question(way_in, request)
        return as_json({"event_id": word.event_id, "time": word.time}, 202)

    return [
        Route("/api/alerts/{alert_id}/actions", may(Deed.ACT, acted), methods=["POST"]),
        Route("/api/patients/{patient_id}/advice", may(Deed.ASK, asked_of_twin), methods=["POST"]),
    ]


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


def address_of(listener: socket.socket, tls: Tls | None = None) -> str:
    """The page's address, e.g. ``http://127.0.0.1:8500``."""
    host, port = listener.getsockname()[:2]
    return f"{'http' if tls is None else 'https'}://{joined(host, port)}"


def serve(app: ASGIApp, listener: socket.socket, tls: Tls | None = None) -> None:
    """Serve until interrupted (SIGINT or SIGTERM); open pages do not hold it up."""
    server_of(app, tls).run(sockets=[listener])


def server_of(app: ASGIApp, tls: Tls | None = None) -> Any:
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
        ssl_context_factory=None if tls is None else (lambda *_: tls.context),
    )


async def _index(_: Request) -> Response:
    return FileResponse(STATIC / "index.html")


Endpoint = Callable[[Request], Awaitable[Response]]


def _ward_endpoint(live: LiveBoard) -> Endpoint:
    async def ward(request: Request) -> Response:
        return as_json(Seen(live, visitor_of(request).who).ward())

    return ward


def _patient_endpoint(live: LiveBoard) -> Endpoint:
    async def patient(request: Request) -> Response:
        patient_id, seen = request.path_params["patient_id"], Seen(live, visitor_of(request).who)
        try:
            return as_json(seen.patient(PATIENT_ID.validate_python(patient_id)))
        except ValidationError:
            return problem(f"patient id {patient_id[:80]!r}: expected {PATIENT_ID_RULE}", 400)
        except UnknownPatient:
            close = seen.near(patient_id)
            hint = f"did you mean '{close}'?" if close else "/api/ward lists who is on the ward"
            return problem(f"nothing is known of patient {patient_id}; {hint}", 404)

    return patient


def _explanation_endpoint(live: LiveBoard) -> Endpoint:
    async def explanation(request: Request) -> Response:
        alert_id = request.path_params["alert_id"]
        try:
            return as_json(Seen(live, visitor_of(request).who).explanation(alert_id))
        except UnknownAlert:
            return problem(f"no alert {alert_id[:128]!r} is shown; /api/ward lists those that stand", 404)

    return explanation


def _model_endpoint(cards: Cards) -> Endpoint:
    async def model(request: Request) -> Response:
        model_id = request.path_params["model_id"]
        card = await asyncio.to_thread(cards, model_id)
        if card is None:
            return problem(f"no model {model_id[:80]!r} is in the library; 'dosetwin models list' names those", 404)
        return as_json(card)

    return model


def _health_endpoint(live: LiveBoard) -> Endpoint:
    async def health(request: Request) -> Response:
        well = not has_ended(live) and live.pulse().level < 2
        body: dict[str, object] = {"status": "ok" if well else "failing"}
        if is_somebody(request):  # the pulse may name patients
            seen = Seen(live, visitor_of(request).who)
            body |= {"reader": live.status, "worker": seen.pulse(), "patients": len(seen), "charts": CHARTS.exists()}
        return as_json(body, 200 if well else 503)

    return health


def _ready_endpoint(live: LiveBoard) -> Endpoint:
    async def ready(_: Request) -> Response:
        wrong = waits_for(live)
        return as_json({"status": "failing", "detail": wrong} if wrong else {"status": "ok"}, 503 if wrong else 200)

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
        return problem(f"there is nothing at {request.url.path[:200]}", 404)
    response = problem(str(error.detail), error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _failure(_: Request, __: Exception) -> Response:
    return problem("the console failed to answer; see its log", 500)
