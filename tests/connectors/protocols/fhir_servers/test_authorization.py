"""SMART Backend Services: what is signed, how long a token is used, and what is said where none is given."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.protocols.fhir_servers.authorization import LONGEST_TOKEN, BackendToken, SmartSettings
from connectors.protocols.fhir_servers.server import Passing
from connectors.settings import SettingsError
from tests import identities
from tests.connectors.listeners.fhir.asgi import client_of_tests, served

KEY, RSA = ECKey.generate_key("P-384"), RSAKey.generate_key(2048)


class Giver:
    """Gives tokens, as a server's authorisation does; what it was asked is kept."""

    def __init__(self, *answers: Response) -> None:
        self.asked: list[dict[str, str]] = []
        self._answers = iter(answers)

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/fhir/.well-known/smart-configuration", self._found),
                Route("/token", self._given, methods=["POST"]),
            ]
        )

    async def _found(self, request: Request) -> Response:
        return JSONResponse({"token_endpoint": f"{request.base_url}token"})

    async def _given(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        self.asked.append({name: values[0] for name, values in form.items()})
        given = {"access_token": f"t{len(self.asked)}", "token_type": "Bearer", "expires_in": 3600}
        return next(self._answers, None) or JSONResponse(given)


def settings(folder: Path, key: Any = KEY, **changes: str) -> SmartSettings:
    path = folder / "key.pem"
    path.write_bytes(key.as_pem(private=True))
    return SmartSettings(**({"client_id": "twin-7", "key_file": str(path), "key_id": "k1"} | changes))


def run(giver: Giver, said: SmartSettings, body: Callable[[BackendToken, list[float]], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        clock = [1_000_000.0]
        async with served(giver.application()) as address, client_of_tests() as client:
            await body(BackendToken(said, f"{address}/fhir", client, lambda: clock[0]), clock)

    asyncio.run(asyncio.wait_for(all_of_it(), 60))


@pytest.mark.parametrize("key", [KEY, RSA])
def test_what_is_signed_is_short_lived_and_of_this_client_for_this_address(tmp_path: Path, key: Any) -> None:
    giver = Giver()

    async def body(token: BackendToken, clock: list[float]) -> None:
        assert await token.header() == "Bearer t1"
        asked = giver.asked[0]
        algorithm = "RS384" if isinstance(key, RSAKey) else "ES384"
        signed = jwt.decode(asked["client_assertion"], key, algorithms=[algorithm])
        assert signed.header["kid"] == "k1"
        assert signed.claims["iss"] == signed.claims["sub"] == "twin-7"
        assert signed.claims["aud"].endswith("/token")
        assert 0 < signed.claims["exp"] - clock[0] <= 300
        assert (asked["grant_type"], asked["scope"]) == ("client_credentials", "system/*.rs")

    run(giver, settings(tmp_path, key), body)


def test_a_token_is_used_for_minutes_and_renewed_before_it_ends(tmp_path: Path) -> None:
    async def body(token: BackendToken, clock: list[float]) -> None:
        for seconds, wanted in ((0.0, "t1"), (0.7, "t1"), (0.2, "t2")):
            clock[0] += seconds * LONGEST_TOKEN
            assert await token.header() == f"Bearer {wanted}"
        token.drop()
        assert await token.header() == "Bearer t3"
        assert "t3" not in repr(token)

    run(Giver(), settings(tmp_path), body)


REFUSALS = (
    (JSONResponse({"error": "invalid_client", "error_description": "Mr Doe"}, 400), "answers 400 'invalid_client'"),
    (Response(b"<html>", status_code=502), "answers 502"),
    (JSONResponse({"access_token": "", "token_type": "bearer"}), "no bearer token"),
    (JSONResponse({"access_token": "x", "token_type": "mac"}), "no bearer token"),
    (Response(b"x" * 100_000), "more than"),
)


def test_where_no_token_is_given_it_is_asked_for_later(tmp_path: Path) -> None:
    async def body(token: BackendToken, _: list[float]) -> None:
        for _answer, why in REFUSALS:
            with pytest.raises(Passing, match=why) as caught:
                await token.header()
            assert "Doe" not in str(caught.value)
        assert await token.header() == f"Bearer t{len(REFUSALS) + 1}"

    run(Giver(*(answer for answer, _ in REFUSALS)), settings(tmp_path), body)


def test_a_token_is_never_asked_for_in_the_clear(tmp_path: Path) -> None:
    async def body(token: BackendToken, _: list[float]) -> None:
        with pytest.raises(Passing, match="neither https nor on this machine"):
            await token.header()

    run(Giver(), settings(tmp_path, token_url="http://tokens.example/token"), body)


def test_a_key_is_private_and_of_a_kind_that_is_signed_with(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for raw in (
        b"", b"{", b"nonsense", KEY.as_pem(private=False), ECKey.generate_key("P-256").as_pem(private=True),
        json.dumps(OctKey.generate_key(256).as_dict(private=True)).encode(),
    ):  # fmt: skip
        path.write_bytes(raw)
        with pytest.raises(SettingsError, match="DOSETWIN_FHIR_KEY_FILE"):
            BackendToken(SmartSettings(client_id="x", key_file=str(path)), "https://ehr.example", client_of_tests())
    with pytest.raises(SettingsError, match="No such file"):
        BackendToken(
            SmartSettings(client_id="x", key_file=str(tmp_path / "no")), "https://ehr.example", client_of_tests()
        )
    path.write_text(json.dumps(KEY.as_dict(private=True)))
    BackendToken(SmartSettings(client_id="x", key_file=str(path)), "https://ehr.example", client_of_tests())


@pytest.fixture(scope="module")
def certified() -> Iterator[str]:
    """Address of a certified server of tokens (oidc-provider), which knows the public keys of two clients."""
    identities.fetched()
    known = {"twin-ec": KEY, "twin-rsa": RSA}
    clients = [{"client_id": id_, "jwks": {"keys": [key.as_dict(private=False)]}} for id_, key in known.items()]
    command = ["node", "server.mjs", json.dumps(clients)]
    with subprocess.Popen(
        command, cwd=identities.FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


@pytest.mark.timeout(600)  # the first fetches the server
def test_a_certified_server_verifies_what_is_signed_and_gives_tokens(certified: str, tmp_path: Path) -> None:
    async def asked(client_id: str, key: Any, late: float = 0.0, **changes: str) -> list[str]:
        said = settings(tmp_path, key, client_id=client_id, key_id="", **changes)
        async with client_of_tests() as client:
            token = BackendToken(said, f"{certified}/fhir", client, lambda: time.time() - late)
            first = await token.header()
            token.drop()
            return [first, await token.header()]

    for client_id, key in (("twin-ec", KEY), ("twin-rsa", RSA)):
        first, second = asyncio.run(asked(client_id, key))
        assert first.startswith("Bearer ")
        assert first != second  # each request is signed anew: the server takes none twice
    for wrong, why in (
        (asked("twin-ec", ECKey.generate_key("P-384")), "/token answers 401 'invalid_client'"),
        (asked("twin-ec", RSA), "/token answers 401 'invalid_client'"),
        (asked("twin-no", KEY), "/token answers 401 'invalid_client'"),
        (asked("twin-ec", KEY, late=900.0), "/token answers 401 'invalid_client'"),
        (asked("twin-ec", KEY, scope="system/*.cruds"), "/token answers 400 'invalid_scope'"),
    ):
        with pytest.raises(Passing, match=why):
            asyncio.run(wrong)
