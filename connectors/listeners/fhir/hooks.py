"""Notifications of a FHIR server (R4 Subscription, rest-hook): they only wake the asking, which reads the truth.

A notification is believed to be one when it brings the secret that the subscription was made with; whatever else it
brings is not looked at.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import Field, SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.protocols.fhir.resource import member, text_of
from connectors.protocols.fhir_servers.authorization import SmartSettings
from connectors.protocols.fhir_servers.server import Gone, Server, Unusable, entries_of

LIFE = timedelta(hours=24)
"""Of a subscription, which is renewed at half of that; one that nobody renews ends by itself."""

LEAST_SECRET = 16
"""Characters of the secret."""


class FhirSettings(SmartSettings, env_prefix="DOSETWIN_FHIR_"):
    """How a FHIR server lets us in, and how it proves that a notification is its own."""

    hook_secret: SecretStr = Field(SecretStr(""), repr=False, description="what a notification must bring with it")


@dataclass
class Hooks:
    """Where notifications come in.

    Attributes:
        secret: what a notification must bring as ``Authorization: Bearer``.
        wake: set by each.
    """

    secret: str
    wake: asyncio.Event
    heard: int = 0
    refused: int = 0

    def application(self) -> Starlette:
        """The route, to be served by an ASGI server; some servers put the resource's name behind the address."""
        return Starlette(routes=[Route("/{name:path}", self._hook, methods=["POST", "PUT"])])

    async def _hook(self, request: Request) -> Response:
        scheme, _, said = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(said.encode(), self.secret.encode()):
            self.refused += 1
            return Response(status_code=403)
        self.heard += 1
        self.wake.set()
        return Response(status_code=200)


async def subscribe(server: Server, kinds: tuple[str, ...], endpoint: str, secret: str, now: datetime) -> None:
    """Have the server tell ``endpoint`` of what changes, for `LIFE`: anew, or longer what was made before.

    Raises:
        Unusable: it does not.
    """
    try:
        found = entries_of((await server.page("Subscription", {"url": endpoint, "_count": "50"})).raw)
    except Gone:
        raise Unusable("the server has no Subscription") from None
    known = {}
    for raw in found:
        resource = member(json.loads(raw), "resource")
        known[text_of(member(resource, "criteria"))] = text_of(member(resource, "id"))
    for kind in kinds:
        wanted = {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "dosetwin reads what is new",
            "criteria": f"{kind}?",
            "end": (now + LIFE).astimezone(UTC).isoformat(timespec="seconds"),
            "channel": {"type": "rest-hook", "endpoint": endpoint, "header": [f"Authorization: Bearer {secret}"]},
        }
        id_ = known.get(f"{kind}?", "")
        url = f"Subscription/{id_}" if id_ else "Subscription"
        body = json.dumps(wanted | ({"id": id_} if id_ else {})).encode()
        try:
            await server.ask("PUT" if id_ else "POST", url, body=body)
        except Gone:
            raise Unusable("the server has no Subscription") from None
