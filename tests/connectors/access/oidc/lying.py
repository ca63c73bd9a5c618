"""A provider of identities over real HTTP that says and signs whatever a test wants: attacks need one that lies.

One that does not lie is certified, and is tried too: `tests.identities`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from connectors.access.oidc.settings import OidcSettings
from connectors.access.oidc.signed_tokens import LOGGED_OUT
from connectors.console.server import listen, server_of

SECRET = "a secret: of+two words"
CONSOLE = "https://ward.example"

GROUPS = {
    "ward3-nurses": {"role": "clinician", "patients": "P-1,P-2"},
    "ward4-nurses": {"role": "clinician", "patients": "P-4"},
    "viewers": {"role": "viewer", "patients": "P-1"},
    "engineers": {"role": "engineer", "patients": "*"},
}

KEYS: dict[str, ECKey | RSAKey] = {
    "k1": ECKey.generate_key("P-256"),
    "k2": ECKey.generate_key("P-256"),
    "r1": RSAKey.generate_key(2048),
}


def part(value: Any) -> str:
    """A part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(claims: dict[str, Any], algorithm: str = "none") -> str:
    return f"{part({'alg': algorithm})}.{part(claims)}."


class Lying:
    """What it says; ``address`` is its own, and its issuer."""

    def __init__(self) -> None:
        self.address = ""
        self.begin_anew()

    def begin_anew(self) -> None:
        """What it usually says."""
        self.key, self.published = "k1", ["k1", "r1"]
        self.about: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.signs: Any = None
        self.told: dict[str, Any] | None = None
        self.now: Callable[[], float] = time.time
        self.asked: list[str] = []
        self.answers: dict[str, Response] = {}
        self._codes: dict[str, dict[str, str]] = {}

    def settings(self, **changes: Any) -> OidcSettings:
        said = {
            "issuer": self.address,
            "console": CONSOLE,
            "client_id": "dosetwin",
            "client_secret": SECRET,
            "groups": json.dumps(GROUPS),
        }
        return OidcSettings(**(said | changes))

    def let_in(self, address: str) -> dict[str, str]:
        """What a browser brings back that was sent there."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.address}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        key = KEYS[self.key]
        named = {"alg": "ES256" if isinstance(key, ECKey) else "RS256", "kid": self.key} | header
        said = {name: value for name, value in named.items() if value is not None}
        registry = JWSRegistry(algorithms=[named["alg"]], strict_check_header=False)
        return jwt.encode(said, claims, key, registry=registry, default_type=None)

    def usual(self, **changes: Any) -> dict[str, Any]:
        """The claims of nora; one that is None is left out."""
        now = int(self.now())
        said = {
            "iss": self.address, "aud": "dosetwin", "sub": "s-7", "sid": "sid-1", "iat": now, "exp": now + 300,
            "preferred_username": "nora-7", "groups": ["staff", "ward3-nurses"],
        }  # fmt: skip
        return {name: value for name, value in (said | changes).items() if value is not None}

    def logout(self, **changes: Any) -> dict[str, Any]:
        """The claims of a logout token."""
        gone = {"preferred_username": None, "groups": None}
        return self.usual(**(gone | {"jti": f"j-{time.time_ns()}", "events": {LOGGED_OUT: {}}} | changes))

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._about),
                Route("/jwks", self._jwks),
                Route("/token", self._token, methods=["POST"]),
                Route("/me", self._me),
                Route("/elsewhere", lambda _: RedirectResponse("/jwks")),
            ]
        )

    def _special(self, request: Request) -> Response | None:
        self.asked.append(request.url.path)
        return self.answers.get(request.url.path)

    async def _about(self, request: Request) -> Response:
        said = {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/auth",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/jwks",
            "end_session_endpoint": f"{self.address}/end?theme=ward",
            "authorization_response_iss_parameter_supported": True,
        }
        if self.told is not None:
            said["userinfo_endpoint"] = f"{self.address}/me"
        return self._special(request) or JSONResponse(said | self.about)

    async def _jwks(self, request: Request) -> Response:
        keys = [KEYS[kid].as_dict(private=False, kid=kid) for kid in self.published]
        return self._special(request) or JSONResponse({"keys": [{"kty": "OKP", "crv": "new"}, *keys]})

    async def _me(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer at"
        return self._special(request) or JSONResponse(self.told)

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if special := self._special(request):
            return special
        pair = f"dosetwin:{SECRET.replace(':', '%3A').replace('+', '%2B').replace(' ', '+')}"
        if request.headers.get("authorization") != f"Basic {base64.b64encode(pair.encode()).decode()}":
            return JSONResponse({"error": "invalid_client", "error_description": "Mr Doe"}, 401)
        asked = self._codes.pop(form["code"], None)
        made = part(hashlib.sha256(form["code_verifier"].encode()).digest())
        if asked is None or made != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        claims = self.usual(**({"nonce": asked["nonce"]} | self.claims))
        return JSONResponse({"id_token": (self.signs or self.sign)(claims), "access_token": "at"})


@contextmanager
def lying() -> Iterator[Lying]:
    """One at work."""
    one = Lying()
    server = server_of(one.application())
    with listen("127.0.0.1", 0) as listener:
        one.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield one
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
