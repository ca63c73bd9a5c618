"""Through here passes every answer of the console, and what it is to be recorded as is told to the trail first.

A request is recorded when its answer begins: what was read, done or refused, by whom, of which patient, from where. A
socket or a stream of alerts is one reading for each thing that it opens, however much is pushed. What the page is made
of, who one is and whether the console lives tell of no patient and are not recorded. A patient is named where the ward
has one of that name, and an account where there is one: anything else that somebody wrote is never repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import NamedTuple

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connectors.access.roles import Who
from connectors.audit.access import Access, Deed, Outcome
from connectors.audit.trail import NoRoom, Trail
from connectors.console.door.answers import problem
from connectors.console.door.guard import HEADERS
from connectors.console.door.visitor import is_somebody, visitor_of
from connectors.console.topic_reader import LiveBoard
from connectors.kafka.clients import NotConfirmed


class Kind(NamedTuple):
    """What a route does, and with which kind of thing."""

    deed: Deed
    what: str = ""


RECORDED: Mapping[tuple[str, str], Kind] = {
    ("GET", "/api/ward"): Kind("read", "ward"),
    ("GET", "/api/patients/{patient_id}"): Kind("read", "patient"),
    ("GET", "/api/patients/{patient_id}/csv"): Kind("read", "file"),
    ("GET", "/api/alerts/stream"): Kind("read", "alerts"),
    ("GET", "/api/alerts/{alert_id}"): Kind("read", "alert"),
    ("POST", "/api/alerts/{alert_id}/actions"): Kind("act", "alert"),
    ("POST", "/api/patients/{patient_id}/advice"): Kind("ask", "advice"),
    ("GET", "/api/mending/health"): Kind("read", "ward"),
    ("GET", "/api/mending/letters"): Kind("read", "letters"),
    ("GET", "/api/mending/held"): Kind("read", "held"),
    ("GET", "/api/mending/audit"): Kind("read", "audit"),
    ("POST", "/api/mending/letters/{place}/resend"): Kind("act", "letter"),
    ("POST", "/api/session"): Kind("log_in"),
    ("DELETE", "/api/session"): Kind("log_out"),
    ("POST", "/api/session/password"): Kind("act", "account"),
    ("GET", "/oidc/callback"): Kind("log_in"),
    ("POST", "/oidc/log-out"): Kind("log_out"),
    ("WEBSOCKET", "/live"): Kind("read", "ward"),
}
"""Each route that tells of patients, does something, or lets in."""

UNRECORDED = {
    *(("GET", "/"), ("GET", "/login"), ("GET", "/account"), ("GET", "/engineer"), ("GET", "/oidc/log-in")),
    *(("GET", "/api/log-in"), ("GET", "/api/session"), ("GET", "/api/models/{model_id}")),
    *(("GET", "/api/preferences"), ("PUT", "/api/preferences"), ("GET", "/healthz"), ("GET", "/readyz")),
}
"""Routes that tell of no patient; what others refuse there is recorded all the same."""

UNLIKE_ANY = Kind("knock")
"""What is refused where there is no such route."""

_PATTERNS = [(method, compile_path(path)[0], kind) for (method, path), kind in RECORDED.items()]

NO_ROOM = "what is read here could not be recorded: so much waits for Kafka already. Try again once Kafka is well"


@dataclass
class Visit:
    """One request or socket, and what is recorded of it.

    Attributes:
        who: whoever that is, where it is not whom the door let in: who has just come, or tried to.
        patient, subject: what it is about, where the address does not say.
        refused: nobody was let in, although a browser is led on to where that is said.
    """

    trail: Trail
    live: LiveBoard
    scope: Scope
    kind: Kind
    who: str = ""
    role: str = ""
    patient: str = ""
    subject: str = ""
    refused: bool = False
    told: bool = field(default=False)

    def access(self, outcome: Outcome, what: str = "", patient: str = "", status: int = 0) -> Access:
        """This visit as it is recorded."""
        asked, client = HTTPConnection(self.scope), self.scope.get("client")
        known = visitor_of(asked).who if is_somebody(asked) else Who("", None, ())
        return Access(
            self.kind.deed,
            outcome,
            what or self.kind.what,
            self.who or known.name,
            self.role or known.role or "",
            self._known(patient),
            known.patients if (what or self.kind.what) in ("ward", "alerts", "letters", "held") else (),
            self.subject,
            _address(client[0]) if client else "",
            status,
        )

    def _known(self, patient: str) -> str:
        """The patient that this is about, where there is one of whom something is known."""
        said = self.scope.get("path_params", {})
        alert = self.live.alerts.newest(said["alert_id"]) if "alert_id" in said else None
        named = patient or self.patient or said.get("patient_id", "") or (alert.patient_id if alert else "")
        return named if named in self.live.board else ""

    def reads(self, what: str, patient: str = "", *, may: bool = True) -> None:
        """A socket opens something; raises `NoRoom` where that cannot be recorded."""
        self.trail.tell(self.access("done" if may else "refused", what, patient))

    def answered(self, status: int) -> None:
        """HTTP answers; raises `NoRoom` where that may not be, for it cannot be recorded."""
        self.told = True
        done = status < 400 and not self.refused
        if self.kind is UNLIKE_ANY and status not in (400, 401, 403):
            return
        access = self.access("done" if done else "failed" if status >= 500 else "refused", status=status)
        try:
            self.trail.tell(access)
        except NoRoom:
            if done and self.kind.deed in ("read", "log_in"):
                raise

    async def begins(self, patient: str, subject: str) -> None:
        """Somebody is about to act; raises `HTTPException` where that cannot be recorded, so that it is not done."""
        self.patient, self.subject = patient, subject
        try:
            await anyio.to_thread.run_sync(self.trail.confirm, self.access("begins"))
        except (NotConfirmed, NoRoom) as error:
            raise HTTPException(503, f"nothing was done: {error}") from None


_visit: ContextVar[Visit | None] = ContextVar("visit", default=None)


def visit() -> Visit | None:
    """The request or socket that is being answered; None where nothing is recorded."""
    return _visit.get()


class Witness:
    """Tells the trail of every answer."""

    def __init__(self, app: ASGIApp, trail: Trail, live: LiveBoard) -> None:
        self.app, self._trail, self._live = app, trail, live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        seen = Visit(self._trail, self._live, scope, _kind_of(scope))
        _visit.set(seen)
        cut = False

        async def witnessed(message: Message) -> None:
            nonlocal cut
            if message["type"] == "http.response.start" and not seen.told:
                try:
                    seen.answered(message["status"])
                except NoRoom:
                    cut = True
                    answer = problem(NO_ROOM, 503)
                    answer.headers.update(HEADERS)
                    await answer(scope, receive, send)
            elif message["type"] == "websocket.close" and not seen.told:
                seen.answered(403)
            elif message["type"] == "websocket.accept":
                seen.told = True
            if not cut:
                await send(message)

        try:
            await self.app(scope, receive, witnessed)
        except Exception:
            if scope["type"] == "http" and not seen.told:
                seen.answered(500)
            raise


def _address(said: str) -> str:
    """An address of the internet; empty where a proxy said something else."""
    try:
        return ip_address(said).compressed
    except ValueError:
        return ""


def _kind_of(scope: Scope) -> Kind:
    method = "WEBSOCKET" if scope["type"] == "websocket" else "GET" if scope["method"] == "HEAD" else scope["method"]
    found = (kind for of, pattern, kind in _PATTERNS if of == method and pattern.match(scope["path"]))
    return next(found, UNLIKE_ANY)
