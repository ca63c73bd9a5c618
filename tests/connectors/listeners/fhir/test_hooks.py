"""Notifications: only with the secret, and only to wake."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.listeners.fhir.hooks import Hooks, subscribe
from connectors.protocols.fhir_servers.server import Server, Unusable
from tests.connectors.listeners.fhir.asgi import client_of_tests, served
from tests.connectors.listeners.fhir.stub import page, stub

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_a_notification_wakes_with_the_secret_alone() -> None:
    async def body() -> None:
        hooks = Hooks("a secret of the hooks", asyncio.Event())
        async with served(hooks.application()) as address, client_of_tests() as client:
            for said in ("", "Bearer", "Bearer x", "Basic a secret of the hooks", "Bearer \u00e4"):
                headers = {"authorization": said.encode()}
                assert (await client.post(f"{address}/hook", headers=headers)).status_code == 403
            assert not hooks.wake.is_set()
            good = {"authorization": f"Bearer {hooks.secret}"}
            assert (await client.put(f"{address}/hook/Observation/1", headers=good, content=b"{")).status_code == 200
            assert hooks.wake.is_set()
            assert (hooks.heard, hooks.refused) == (1, 5)

    asyncio.run(asyncio.wait_for(body(), 60))


def test_what_was_subscribed_before_is_made_longer_and_the_rest_is_made_anew() -> None:
    seen: list[str] = []
    known = {"resourceType": "Subscription", "id": "s1", "criteria": "Observation?"}

    def answer(request: Request) -> Response:
        return page(known, kind="searchset") if request.method == "GET" else JSONResponse({}, 201)

    async def body() -> None:
        async with served(stub(answer, seen)) as address, client_of_tests() as client:
            server = Server(f"{address}/fhir", client)
            await subscribe(server, ("Observation", "MedicationAdministration"), "https://twin/hook", "secret", NOW)

    asyncio.run(asyncio.wait_for(body(), 60))
    assert [one.split("?")[0] for one in seen] == [
        "GET /fhir/Subscription", "PUT /fhir/Subscription/s1", "POST /fhir/Subscription",
    ]  # fmt: skip


def test_a_server_without_subscriptions_is_named() -> None:
    async def body() -> None:
        async with served(stub(lambda _: Response(status_code=404), [])) as address, client_of_tests() as client:
            with pytest.raises(Unusable, match="no Subscription"):
                await subscribe(Server(f"{address}/fhir", client), ("Observation",), "https://twin/hook", "secret", NOW)

    asyncio.run(asyncio.wait_for(body(), 60))
