"""Server-sent events: the alerts as they are told, for clients that must miss none.

::

    GET /api/alerts/stream?severity=high&rule=tox.neutropenia_g4
    Last-Event-ID: 3f2a:12,0,7            what browsers send by themselves when they come back

    event: alert      one transition, as it stands on the topic; its id is where to go on
    event: ready      all that was there has been told; what comes from now on is new
    event: gap        what cannot be told any more, and why; what stands of it follows
    event: status     how the reader of Kafka fares, and how the twins do: whether nobody speaks, or nothing is to say
    : heartbeat       a comment, every 15 seconds

A client without an id is told what stands, and then what comes. An alert may come twice: it is known by ``alert_id``
and ``revision``. A slow client is told what it takes, from one log that all share, and cut off when it takes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

import anyio
import msgspec
from starlette.types import Receive, Scope, Send

from connectors.console.alert_log import Follower, Place, Told
from connectors.console.connections import ENDLESS
from connectors.console.pulse import Pulse
from connectors.console.topic_reader import LiveBoard, ReaderStatus
from twin.events import Alert

HEARTBEAT = 15.0
"""Seconds between two heartbeats."""

SEVERITIES = ("low", "medium", "high")
"""From the least on."""

RETRY_MS = 2_000
"""Milliseconds after which a browser comes back that was cut off."""

_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]


class Status(msgspec.Struct, frozen=True):
    """How the console's reader fares, and the worst pulse of the twins."""

    reader: ReaderStatus
    pulse: Pulse


def asked(query: Sequence[tuple[str, str]], last_event_id: str = "") -> tuple[Place | None, Callable[[Alert], bool]]:
    """Where a client goes on, and which alerts it wants.

    Args:
        query: ``rule`` and ``patient`` with patterns (``tox.*``) of which one must fit, ``severity`` for the least, and
            ``after``, an id, for clients that cannot send the header.
        last_event_id: the header.

    Raises:
        ValueError: something is asked for that there is not.
    """
    said: dict[str, list[str]] = {name: [] for name in ("rule", "patient", "severity", "after")}
    for name, value in query:
        if name not in said:
            raise ValueError(f"{name[:40]!r} is no part of the question; there are {', '.join(said)}")
        said[name].append(value)
    severity = (said["severity"] or ["low"])[-1]
    if severity not in SEVERITIES:
        raise ValueError(f"severity {severity[:40]!r}: expected one of {', '.join(SEVERITIES)}")
    least = SEVERITIES.index(severity)
    rules, patients = said["rule"] or ["*"], said["patient"] or ["*"]

    def wants(alert: Alert) -> bool:
        return (
            SEVERITIES.index(alert.severity) >= least
            and any(fnmatchcase(alert.rule, pattern) for pattern in rules)
            and any(fnmatchcase(alert.patient_id, pattern) for pattern in patients)
        )

    after = last_event_id or "".join(said["after"][-1:])
    return (Place.read(after) if after else None), wants


class AlertStream:
    """One client's stream, an ASGI application of its own."""

    def __init__(self, live: LiveBoard, follower: Follower, tick: float, heartbeat: float) -> None:
        self._live, self._follower = live, follower
        self._tick, self._heartbeat = tick, heartbeat
        self._status: tuple[object, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell until the client leaves, or the server does."""
        scope[ENDLESS] = True
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        async with anyio.create_task_group() as talk:
            talk.start_soon(self._tell, send)
            while (await receive())["type"] != "http.disconnect":
                pass
            talk.cancel_scope.cancel()

    async def _tell(self, send: Send) -> None:
        text, beat, known = f"retry: {RETRY_MS}\n\n", anyio.current_time(), ""
        while True:
            told = self._follower.next(up_to_date=self._live.status.state == "live")
            text += "".join(map(_event, told)) + self._news_of_itself()
            if anyio.current_time() - beat >= self._heartbeat:
                text += (
                    ": heartbeat\n" + (f"id: {self._follower.place}\n" if self._follower.place != known else "") + "\n"
                )
            if text:
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
                beat, known, text = anyio.current_time(), self._follower.place, ""
            if not told:
                await anyio.sleep(self._tick)

    def _news_of_itself(self) -> str:
        status = Status(self._live.status, self._live.pulse())
        matter = status.reader.state, status.pulse.level
        if matter == self._status:
            return ""
        self._status = matter
        return f"event: status\ndata: {msgspec.json.encode(status).decode()}\n\n"


def _event(told: Told) -> str:
    place = f"id: {told.place}\n" if told.place else ""
    return f"event: {told.kind}\n{place}data: {told.text}\n\n"
