"""Asking a server that is busy, leads elsewhere, or sends more than can be held."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from connectors.protocols.fhir_servers import server as module
from connectors.protocols.fhir_servers.server import Gone, Server, Unusable, instant_of, safe_address
from tests.connectors.listeners.fhir.asgi import client_of_tests, served
from tests.connectors.listeners.fhir.stub import CLOCK, Answer, page, stub


class Waits(list[float]):
    """Waits that are noted and not made."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@contextlib.asynccontextmanager
async def asked(answer: Answer, seen: list[str], waits: Waits) -> AsyncIterator[Server]:
    async with served(stub(answer, seen)) as address, client_of_tests() as client:
        yield Server(f"{address}/fhir", client, sleep=waits, chance=lambda: 0.0)


def run(answer: Answer, body: Callable[[Server], Awaitable[None]]) -> tuple[list[str], Waits]:
    seen: list[str] = []
    waits = Waits()

    async def all_of_it() -> None:
        async with asked(answer, seen, waits) as server:
            await body(server)

    asyncio.run(asyncio.wait_for(all_of_it(), 60))
    return seen, waits


def in_turn(*answers: Response) -> Answer:
    left = iter(answers)
    return lambda _: next(left)


def test_a_page_has_its_link_and_the_servers_clock() -> None:
    async def body(server: Server) -> None:
        found = await server.page("Observation/_history", {"_count": "2"})
        assert found.clock == datetime(2026, 3, 2, 12, tzinfo=UTC)
        assert found.next == f"{server.base}?_getpages=1"
        assert found.entries == []

    seen, _ = run(lambda request: page(next_link=f"{request.base_url}fhir?_getpages=1"), body)
    assert seen == ["GET /fhir/Observation/_history?_count=2"]


def test_the_clock_is_that_of_the_header_where_the_bundle_has_none() -> None:
    async def body(server: Server) -> None:
        assert (await server.page("Observation")).clock == datetime(2026, 3, 2, 11, tzinfo=UTC)

    date = {"date": "Mon, 02 Mar 2026 11:00:00 GMT"}
    run(lambda _: JSONResponse({"resourceType": "Bundle"}, headers=date), body)


def test_a_busy_server_is_asked_again_when_it_says_and_else_ever_later() -> None:
    async def body(server: Server) -> None:
        await server.page("Observation")
        assert server.faults == 5
        assert server.last_fault == ""

    date = {"date": "Mon, 02 Mar 2026 12:00:00 GMT", "retry-after": "Mon, 02 Mar 2026 12:00:30 GMT"}
    _, waits = run(
        in_turn(
            Response(status_code=429, headers={"retry-after": "7"}),
            Response(status_code=503),
            Response(status_code=500),
            Response(status_code=503, headers={"retry-after": "99999"}),
            Response(status_code=429, headers=date),
            page(),
        ),
        body,
    )
    assert waits[:4] == [7.0, 2.0, 4.0, module.LONGEST_WAIT]
    assert waits[4] == 30.0


def test_a_server_that_is_away_is_asked_until_it_is_back() -> None:
    async def body(server: Server) -> None:
        away = Server("http://127.0.0.1:9/fhir", server.client, sleep=server.sleep)
        asking = asyncio.create_task(away.page("Observation"))
        while away.faults < 3:
            await asyncio.sleep(0.01)
        asking.cancel()

    _, waits = run(lambda _: page(), body)
    assert waits[0] >= module.FIRST_WAIT


ELSEWHERE = (
    "http://169.254.169.254/latest/meta-data", "https://ehr.example/fhir?page=2", "http://127.0.0.1:1/fhir?page=2",
    "HOST/other?page=2", "HOST/fhir/../admin", "HOST/fhirx?page=2", "HOST/fhir/%2e%2e/admin", "file:///etc/passwd",
    "http://127.0.0.1:x/fhir", "http://ehr.example@127.0.0.1/fhir",
)  # fmt: skip


def test_a_link_to_anywhere_else_is_never_followed() -> None:
    async def body(server: Server) -> None:
        for elsewhere in ELSEWHERE:
            with pytest.raises(Unusable, match="somewhere else"):
                await server.page("Observation/_history", {"link": elsewhere})

    def answer(request: Request) -> Response:
        return page(next_link=request.query_params["link"].replace("HOST/", str(request.base_url)))

    seen, _ = run(answer, body)
    assert len(seen) == len(ELSEWHERE)


def test_a_redirection_is_not_followed() -> None:
    async def body(server: Server) -> None:
        with pytest.raises(Unusable, match="redirection"):
            await server.page("Observation")

    seen, _ = run(lambda _: RedirectResponse("/fhir/Patient"), body)
    assert len(seen) == 1


def test_what_is_not_there_any_more_is_gone() -> None:
    async def body(server: Server) -> None:
        for _ in range(2):
            with pytest.raises(Gone):
                await server.page("Observation")

    run(in_turn(Response(status_code=404), Response(status_code=410)), body)


def test_more_than_can_be_held_is_not_also_where_it_was_zipped_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 100_000)
    bomb = gzip.compress(b" " * 5_000_000)
    zipped = Response(bomb, headers={"content-encoding": "gzip"})
    plain = Response(b" " * 200_000)

    async def body(server: Server) -> None:
        for _ in range(2):
            with pytest.raises(Unusable, match="more than"):
                await server.page("Observation")

    run(in_turn(zipped, plain), body)


NO_BUNDLES = (
    (Response(b"<Bundle/>"), "no Bundle"), (Response(b"{"), "no Bundle"), (JSONResponse([]), "no Bundle"),
    (JSONResponse({"resourceType": "Patient"}), "no Bundle"), (Response(status_code=403), "403"),
    (Response(b"x", headers={"content-encoding": "gzip"}), "no gzip"),
    (Response(b"<>", headers={"content-encoding": "gzip"}), "no gzip"),
    (Response(b"x", headers={"content-encoding": "br"}), "not asked for"),
    (JSONResponse({"resourceType": "Bundle", "entry": {}}), "no Bundle"),
)  # fmt: skip


def test_what_is_no_bundle_is_named() -> None:
    async def body(server: Server) -> None:
        for _, why in NO_BUNDLES:
            with pytest.raises(Unusable, match=why):
                await server.page("Observation")

    run(in_turn(*(answer for answer, _ in NO_BUNDLES)), body)


def test_a_token_that_is_not_taken_is_renewed_once_at_a_time() -> None:
    class Bearer:
        dropped = 0

        async def header(self) -> str:
            return f"Bearer {self.dropped}"

        def drop(self) -> None:
            self.dropped += 1

    def answer(request: Request) -> Response:
        return page() if request.headers["authorization"] == "Bearer 2" else Response(status_code=401)

    async def body(server: Server) -> None:
        server.bearer = Bearer()
        await server.page("Observation")

    seen, waits = run(answer, body)
    assert (len(seen), len(waits)) == (4, 1)


def test_what_is_asked_says_what_is_wanted() -> None:
    async def body(server: Server) -> None:
        await server.page("Observation")

    heard: list[dict[str, str]] = []

    def answer(request: Request) -> Response:
        heard.append(dict(request.headers))
        return page()

    run(answer, body)
    assert heard[0]["prefer"] == "handling=strict"
    assert heard[0]["accept"] == "application/fhir+json"


def test_an_instant_has_its_offset() -> None:
    assert instant_of(CLOCK) == datetime(2026, 3, 2, 12, tzinfo=UTC)
    for nothing in (None, "", "x", "2026-03-02", "2026-03-02T12:00:00"):
        assert instant_of(nothing) is None


def test_patients_facts_are_not_asked_for_in_the_clear() -> None:
    for good in ("https://ehr.example/fhir", "http://127.0.0.1:80/fhir", "http://localhost/fhir"):
        assert safe_address(good, "it") == good
    for bad in ("http://ehr.example/fhir", "ftp://127.0.0.1", "https://", ""):
        with pytest.raises(Unusable, match="https"):
            safe_address(bad, "it")
