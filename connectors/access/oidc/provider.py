"""A provider of identities over HTTP: what it says of itself, its tokens for a code, and what else it tells of them.

What it answers is not trusted: no redirect is followed, no answer is longer than `MOST_BYTES` or slower than
`ANSWER_SECONDS`, and no address to which something is sent is other than https, or this machine.
"""

from __future__ import annotations

import base64
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlsplit

import httpx2
import msgspec

from connectors.access.oidc.settings import OidcSettings, is_safe
from connectors.access.oidc.signing_keys import SigningKeys

ANSWER_SECONDS = 10.0
"""Longest wait for a whole answer."""

KEPT_SECONDS = 3600.0
"""For which what a provider says of itself is used before it is asked for again."""

MOST_BYTES = 1_048_576
"""Of an answer."""


class ProviderError(ValueError):
    """The provider does not answer, or not as OpenID Connect wants it; the message says where, and holds no secret."""


class About(msgspec.Struct, frozen=True):
    """What a provider says of itself (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Fault(msgspec.Struct, frozen=True):
    error: str = ""


Answer = TypeVar("Answer")

_object: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
_fault = msgspec.json.Decoder(_Fault)


class Given(msgspec.Struct, frozen=True):
    """Tokens for a code."""

    id_token: str
    access_token: str = ""


_about, _given = msgspec.json.Decoder(About), msgspec.json.Decoder(Given)


class Provider:
    """The one of the settings; ``clock`` counts seconds that never go back."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        context = ssl.create_default_context(cafile=settings.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._client = httpx2.Client(verify=context, timeout=ANSWER_SECONDS, follow_redirects=False)
        self._lock = threading.Lock()
        self._about: tuple[float, About] | None = None
        self.keys = SigningKeys(lambda: self._json("GET", self.about().jwks_uri), clock)

    def about(self) -> About:
        """What it says of itself, an hour old at most. Raises `ProviderError`."""
        with self._lock:
            if self._about is None or self._clock() - self._about[0] > KEPT_SECONDS:
                self._about = self._clock(), self._discovered()
            return self._about[1]

    def tokens(self, code: str, verifier: str) -> Given:
        """What is given for a code to who knows the verifier of its challenge (RFC 7636). Raises `ProviderError`."""
        about, settings = self.about(), self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.callback,
            "code_verifier": verifier,
        }
        headers = {}
        try:
            secret = settings.secret
        except (OSError, UnicodeDecodeError) as error:
            raise ProviderError(f"{settings.variable('client_secret_file')}: {type(error).__name__}") from None
        if not secret:
            form["client_id"] = settings.client_id
        elif "client_secret_basic" in about.token_endpoint_auth_methods_supported:
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": settings.client_id, "client_secret": secret}
        return _as(_given, self._asked("POST", about.token_endpoint, form, headers), "what it gives")

    def told(self, access_token: str, subject: str) -> Mapping[str, Any]:
        """What it knows of somebody beyond the ID token, nothing where it tells nothing. Raises `ProviderError`."""
        address = self.about().userinfo_endpoint
        if not address or not access_token:
            return {}
        said = self._json("GET", address, {"authorization": f"Bearer {access_token}"})
        if said.get("sub") != subject:
            raise ProviderError("userinfo_endpoint tells of another subject")
        return said

    def _discovered(self) -> About:
        issuer = self._settings.issuer
        said = self._asked("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        about = _as(_about, said, "what it says of itself")
        if about.issuer != issuer:
            variable = self._settings.variable("issuer")
            raise ProviderError(f"the provider calls itself {about.issuer[:200]!r}: write that as {variable}")
        for name in ("authorization", "token", "userinfo", "end_session"):
            address = getattr(about, f"{name}_endpoint")
            if address and not is_safe(address):
                raise ProviderError(f"its {name}_endpoint is neither https nor on this machine")
        if not is_safe(about.jwks_uri):
            raise ProviderError("its jwks_uri is neither https nor on this machine")
        return about

    def _json(self, method: str, url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        said = self._asked(method, url, None, headers)
        try:
            return _object.decode(said)
        except (msgspec.DecodeError, RecursionError):
            raise ProviderError(f"{urlsplit(url).path} answers with no JSON object") from None

    def _asked(
        self, method: str, url: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> bytes:
        """The body of an answer that is none of a fault."""
        place, until = urlsplit(url).path or "/", time.monotonic() + ANSWER_SECONDS
        asked = {"accept": "application/json", "accept-encoding": "identity"} | (headers or {})
        raw = bytearray()
        try:
            with self._client.stream(method, url, data=form, headers=asked) as response:
                for chunk in response.iter_raw():
                    raw += chunk
                    if len(raw) > MOST_BYTES or time.monotonic() > until:
                        raise ProviderError(f"{place} answers with too much, or too slowly")
        except httpx2.TimeoutException:
            raise ProviderError(f"{place} does not answer in {ANSWER_SECONDS:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise ProviderError(f"{place} cannot be asked: {type(error).__name__}: {error}") from None
        if response.status_code >= 300:
            raise ProviderError(f"{place} answers {response.status_code}{_code(raw)}")
        return bytes(raw)


def _code(raw: bytearray) -> str:
    """The code of an error, where it has one; never what it says in words."""
    try:
        code = _fault.decode(raw).error
    except (msgspec.DecodeError, RecursionError):
        return ""
    return f" {code!r}" if code and code.isascii() and len(code) < 40 else ""


def _as(decoder: msgspec.json.Decoder[Answer], said: bytes, what: str) -> Answer:
    try:
        return decoder.decode(said)
    except (msgspec.DecodeError, RecursionError) as error:  # a ValidationError is one
        raise ProviderError(f"{what} cannot be used: {error}") from None
