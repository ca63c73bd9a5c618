"""Events over HTTP: ours as JSON or NDJSON, and messages of a hospital's protocol for sources with a profile.

A source proves itself by a bearer token, or signs each message as Standard Webhooks are.

A request is answered when Kafka has what it tells: 202 with a result for each item. What cannot be used is named by a
JSON pointer (RFC 6901) with the reason and the mend; a problem with the whole request is one of RFC 9457. An event is
known by its ``event_id``, so that a request that got no answer is sent again as it was.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.facts.fact import NotAFact, Refusal
from connectors.facts.telling import Outcome, Telling
from connectors.kafka.topics import topic_of
from connectors.listeners.intake import Intake, NotSafe, Sender
from connectors.listeners.tokens import Grant, Grants
from connectors.protocols.items import items
from connectors.protocols.recorded import readings
from connectors.schema.openapi import openapi
from connectors.webhooks import SIGNATURE, Claim, NotSigned
from twin.events import MAX_EVENT_BYTES, BadEvent, InputEvent, decode, encode

MOST_BYTES = 4 * 1_048_576
"""Of a request's body, after decompression."""

MOST_EVENTS = 1_000
"""In one request."""

CONFIRM_SECONDS = 10.0
"""Longest wait for Kafka's confirmation."""

RETRY_SECONDS = 5

_JSON, _LINES = "application/json", "application/x-ndjson"
_MESSAGES = {
    "hl7": ("application/hl7-v2+er7", "x-application/hl7-v2+er7"),
    "fhir": ("application/fhir+json",),
    "openmhealth": (_JSON,),
    "dosetwin": (_JSON,),
    "fields": (_JSON,),
}
"""Content types of each protocol's messages."""


class Problem(Exception):
    """A request that cannot be taken as a whole."""

    def __init__(self, status: int, title: str, detail: str, **headers: str) -> None:
        super().__init__(title)
        self.status, self.title, self.detail = status, title, detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> Response:
        """As RFC 9457 has it."""
        body = {"type": "about:blank", "status": self.status, "title": self.title, "detail": self.detail}
        return JSONResponse(body, self.status, self.headers, "application/problem+json")


@dataclass
class Door:
    """What the routes need.

    Attributes:
        grants: who may send what.
        sender: gives records to Kafka.
        intakes: of the sources that have a profile, by source.
        prefix: of the topics.
        clock: seconds since 1970, by which what is signed is new.
    """

    grants: Grants
    sender: Sender
    intakes: Mapping[str, Intake]
    prefix: str = ""
    clock: Callable[[], float] = time.time
    requests: int = 0
    accepted: int = 0
    refused: int = 0

    def application(self) -> Starlette:
        """The routes, to be served by an ASGI server."""
        return Starlette(
            routes=[
                Route("/v1/events", self._guarded(self._events), methods=["POST"]),
                Route("/v1/messages", self._guarded(self._messages), methods=["POST"]),
                Route("/v1/openapi.json", _description, methods=["GET"]),
            ]
        )

    def _guarded(
        self, handle: Callable[[Request, Grant, bytes], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            self.requests += 1
            try:
                grant, raw = await self._admitted(request)
                return await handle(request, grant, _unzipped(request, raw))
            except Problem as problem:
                return problem.response()

        return guarded

    async def _admitted(self, request: Request) -> tuple[Grant, bytes]:
        """Who sends, and the body as it was sent; nothing of it is read of whoever has neither token nor signature."""
        if "authorization" not in request.headers and SIGNATURE in request.headers:
            try:
                claim = Claim.of(request.headers, self.clock())
            except NotSigned as error:
                raise _unknown("no message that is signed", str(error)) from None
            raw = await _body(request)
            signer = self.grants.of_signed(claim, raw)
            if signer is None:
                mend = "sign webhook-id.webhook-timestamp.body, the body as it is sent, with the secret of this source"
                raise _unknown("no signature that is known", mend)
            return signer, raw
        bearer = self.grants.of(request.headers.get("authorization", ""))
        if bearer is None:
            mend = "send 'Authorization: Bearer TOKEN', or sign the message as Standard Webhooks are"
            raise _unknown("no token that is known", mend)
        return bearer, await _body(request)

    async def _events(self, request: Request, grant: Grant, body: bytes) -> Response:
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in (_JSON, _LINES):
            raise Problem(415, "no type that is read", f"send {_JSON} (an event, or an array of them) or {_LINES}")
        given = _items(body, lines=kind == _LINES)
        _spend(grant, len(given))
        found = [_event(raw, grant) for raw in given]
        events = [one for one in found if isinstance(one, InputEvent)]
        await self._safe(events)
        self.accepted += len(events)
        self.refused += len(found) - len(events)
        results = [_result(number, one) for number, one in enumerate(found)]
        if len(found) == 1 and not events:
            raise Problem(422, results[0]["reason"], results[0]["detail"])
        return JSONResponse({"accepted": len(events), "results": results}, 202)

    async def _messages(self, request: Request, grant: Grant, raw: bytes) -> Response:
        intake = self.intakes.get(grant.source)
        if intake is None:
            raise Problem(403, "no profile", f"source {grant.source!r} sends our own events only, to /v1/events")
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in (wanted := _MESSAGES[intake.profile.protocol]):
            raise Problem(415, "no type that is read", f"source {grant.source!r} sends {wanted[0]}")
        _spend(grant, 1)
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                taken = await intake.take(raw, lambda: readings(raw, intake.profile))
        except (NotSafe, TimeoutError):
            raise _later() from None
        if taken.unreadable is not None:
            raise Problem(422, taken.unreadable.reason, taken.unreadable.detail)
        results = [_outcome(one) for one in taken.outcomes]
        told = sum(len(one.events) for one in taken.outcomes if isinstance(one, Telling))
        return JSONResponse({"accepted": told, "results": results}, 202)

    async def _safe(self, events: list[InputEvent]) -> None:
        """Until Kafka has them all; else `Problem` 503."""
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                sent = [
                    await self.sender.send(
                        topic_of(event, self.prefix), key=event.patient_id.encode(), value=encode(event)
                    )
                    for event in events
                ]
                for confirmation in sent:
                    await confirmation
        except Exception:
            raise _later() from None


def _later() -> Problem:
    return Problem(
        503, "not safe yet", "Kafka has not confirmed it; send it again as it is", Retry_After=str(RETRY_SECONDS)
    )


def _spend(grant: Grant, count: int) -> None:
    if seconds := grant.bucket.take(count):
        detail = f"more than {grant.bucket.rate:g} a second; come again later with all of it"
        raise Problem(429, "too many", detail, Retry_After=str(int(seconds) + 1))


def _unknown(title: str, mend: str) -> Problem:
    return Problem(401, title, mend, WWW_Authenticate="Bearer")


async def _body(request: Request) -> bytes:
    """The body as it was sent, never more than `MOST_BYTES` of it in memory."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise _too_large()
    return bytes(body)


def _unzipped(request: Request, raw: bytes) -> bytes:
    """What a body is, unzipped, never more than `MOST_BYTES` of it in memory."""
    zipped = request.headers.get("content-encoding", "identity").strip().lower()
    if zipped not in ("identity", "gzip"):
        raise Problem(415, "no encoding that is read", "send it plain or with gzip")
    if zipped == "identity":
        return raw
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        body = unzip.decompress(raw, MOST_BYTES + 1)
    except zlib.error:
        raise Problem(400, "no gzip", "the body is not what content-encoding says") from None
    if len(body) > MOST_BYTES:
        raise _too_large()
    if not unzip.eof or unzip.unused_data:
        raise Problem(400, "no gzip", "the body is not one whole gzip; nothing of it was read")
    return body


def _too_large() -> Problem:
    return Problem(413, "too large", f"at most {MOST_BYTES} bytes in one request")


def _items(body: bytes, *, lines: bool) -> list[bytes]:
    """The events in a body, each as its bytes."""
    try:
        found = items(body, lines=lines)
    except NotAFact as error:
        raise Problem(400, "no JSON", error.detail) from None
    if not 0 < len(found) <= MOST_EVENTS:
        raise Problem(413 if found else 400, "too many" if found else "nothing", f"from 1 to {MOST_EVENTS} events")
    return found


def _event(raw: bytes, grant: Grant) -> InputEvent | BadEvent:
    if len(raw) > MAX_EVENT_BYTES:
        return BadEvent("too_large", f"an event of {len(raw)} bytes; at most {MAX_EVENT_BYTES}")
    try:
        event = decode(raw)
    except BadEvent as error:
        return error
    if forbidden := grant.forbids(event):
        return BadEvent("forbidden", forbidden)
    return event


def _result(number: int, found: InputEvent | BadEvent) -> dict[str, Any]:
    if isinstance(found, InputEvent):
        return {"item": f"/{number}", "status": "accepted", "event_id": found.event_id}
    return {"item": f"/{number}", "status": "refused", "reason": found.reason, "detail": found.detail}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Refusal(place=place, reason=reason, detail=detail):
            return {"place": place, "status": "refused", "reason": reason, "detail": detail}
        case Telling(place=place, events=events):
            status = "accepted" if events else "repeated"
            return {"place": place, "status": status, "event_ids": [event.event_id for event in events]}
        case _:
            return {"place": outcome.place, "status": "passed", "detail": outcome.what}


async def _description(_: Request) -> Response:
    return JSONResponse(openapi())
