"""Server-sent events: the alerts as they are told, for clients that must miss none.

::

    GET /api/alerts/stream?lowest_severity=high&rules=tox.*
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

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import anyio
import msgspec
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from connectors.alert_filter import AlertFilter, FilterSettings
from connectors.console.alert_log import Follower, Place, Told
from connectors.console.connections import ENDLESS
from connectors.console.door.seen import Seen
from connectors.console.pulse import Pulse
from connectors.console.topic_reader import ReaderStatus

HEARTBEAT = 15.0
"""Seconds between two heartbeats."""

FILTERS = {"rules": "*", "patients": "", "lowest_severity": "low"}
"""What may be asked for, and what is wanted where nothing is said."""

QUESTIONS = FILTERS | {"after": ""}

RETRY_MS = 2_000
"""Milliseconds after which a browser comes back that was cut off."""

_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]


class Status(msgspec.Struct, frozen=True):
    """How the console's reader fares, and the worst pulse of the twins."""

    reader: ReaderStatus
    pulse: Pulse


def asked(query: Sequence[tuple[str, str]], last_event_id: str = "") -> tuple[Place | None, AlertFilter]:
    """Where a client goes on, and which alerts it wants.

    Args:
        query: ``rules``, ``patients`` and ``lowest_severity``, as the settings of those who are told
            (`connectors.alert_filter.FilterSettings`); and ``after``, an id, for clients that cannot send the header.
        last_event_id: the header.

    Raises:
        ValueError: something is asked for that there is not, or twice.
    """
    said = dict(query)
    if unknown := said.keys() - QUESTIONS.keys():
        raise ValueError(f"{min(unknown)[:40]!r} is no part of the question; there are {', '.join(QUESTIONS)}")
    if len(said) < len(query):
        raise ValueError("a part of the question comes twice: separate patterns by commas")
    after = last_event_id or said.pop("after", "")
    said.pop("after", None)
    given: dict[str, Any] = FILTERS | said | {"patients_file": None}
    try:
        settings = FilterSettings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{first['loc'][0]}: {first['msg']}") from None
    return (Place.read(after) if after else None), AlertFilter(settings)


class AlertStream:
    """One client's stream, an ASGI application of its own."""

    def __init__(
        self, seen: Seen, follower: Follower, tick: float, heartbeat: float, still: Callable[[], bool] = lambda: True
    ) -> None:
        self._live, self._seen, self._follower, self._still = seen.live, seen, follower, still
        self._tick, self._heartbeat = tick, heartbeat
        self._status: tuple[object, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell until the client leaves, is let in no more, or the server leaves."""
        scope[ENDLESS] = True
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        async with anyio.create_task_group() as talk:
            for part in (partial(self._tell, send), partial(_gone, receive)):
                talk.start_soon(_first, part, talk.cancel_scope)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Send) -> None:
        text, beat, known = f"retry: {RETRY_MS}\n\n", anyio.current_time(), ""
        while self._still():
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
        status = Status(self._live.status, self._seen.pulse())
        matter = status.reader.state, status.pulse.level
        if matter == self._status:
            return ""
        self._status = matter
        return f"event: status\ndata: {msgspec.json.encode(status).decode()}\n\n"


async def _first(part: Callable[[], Awaitable[None]], talk: anyio.CancelScope) -> None:
    """Whichever part ends first ends the other one too."""
    await part()
    talk.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(told: Told) -> str:
    place = f"id: {told.place}\n" if told.place else ""
    return f"event: {told.kind}\n{place}data: {told.text}\n\n"
