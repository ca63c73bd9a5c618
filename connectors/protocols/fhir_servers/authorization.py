"""SMART Backend Services (hl7.org/fhir/smart-app-launch, backend services): a token for a service without a user.

The service signs with a private key that only it has (``private_key_jwt``, RS384 or ES384) and gets a token for a few
minutes. The key stands in a file, everything else in the environment; nothing secret is ever an argument.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from pydantic import Field

from connectors.protocols.fhir_servers.server import Passing, Unusable, limited, safe_address
from connectors.settings import PartSettings, SettingsError

LONGEST_TOKEN = 300.0
"""Seconds that a token is used, whatever it says; a new one is asked for when a fifth of it is left."""

ASSERTION_SECONDS = 240
"""Life of what we sign; the standard allows five minutes."""

_MOST_BYTES = 65_536
_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class SmartSettings(PartSettings, env_prefix="DOSETWIN_FHIR_"):
    """How a FHIR server lets us in."""

    client_id: str = Field("", description="of SMART Backend Services; without it no token is asked for")
    key_file: str = Field("", description="private key of the client: PEM, or a JWK in JSON; RSA, or EC on P-384")
    key_id: str = Field("", description="'kid' of the key as it is registered, where the JWK does not say it")
    scope: str = Field("system/*.rs", description="what the token is to be for, in the words of SMART")
    token_url: str = Field("", description="where tokens are given, where the server does not say so itself")


@dataclass
class BackendToken:
    """The token of a service, renewed in time.

    Attributes:
        settings: client, key and scope.
        base: of the server.
        client: sends requests.
        now: seconds since 1970.
    """

    settings: SmartSettings
    base: str
    client: httpx2.AsyncClient
    now: Callable[[], float] = time.time
    _key: RSAKey | ECKey = field(init=False, repr=False)
    _token: str = field(default="", init=False, repr=False)
    _until: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._key = _read_key(self.settings)

    async def header(self) -> str:
        """``Bearer ...``.

        Raises:
            Passing: no token is given now.
        """
        if not self._token or self.now() >= self._until:
            try:
                await self._renew()
            except Unusable as error:
                raise Passing(f"no token: {error}") from None
        return f"Bearer {self._token}"

    def drop(self) -> None:
        """It is not taken any more."""
        self._token = ""

    async def _renew(self) -> None:
        url = safe_address(self.settings.token_url or await self._discovered(), "the address of tokens")
        ours = self.settings.client_id
        asked = self.now()
        claims = {"iss": ours, "sub": ours, "aud": url, "exp": int(asked) + ASSERTION_SECONDS, "jti": uuid.uuid4().hex}
        algorithm = "RS384" if isinstance(self._key, RSAKey) else "ES384"
        header = {"alg": algorithm, "typ": "JWT"}
        if kid := self.settings.key_id or self._key.kid:
            header["kid"] = kid
        form = {
            "grant_type": "client_credentials",
            "scope": self.settings.scope,
            "client_assertion_type": _JWT_BEARER,
            "client_assertion": jwt.encode(header, claims, self._key, algorithms=[algorithm]),
        }
        said = await self._json("POST", url, form)
        token, life = said.get("access_token"), said.get("expires_in", LONGEST_TOKEN)
        if not isinstance(token, str) or not token or str(said.get("token_type", "")).lower() != "bearer":
            raise Unusable("the answer has no bearer token")
        seconds = min(LONGEST_TOKEN, float(life)) if isinstance(life, int | float) and life > 0 else LONGEST_TOKEN
        self._token, self._until = token, asked + 0.8 * seconds

    async def _discovered(self) -> str:
        said = await self._json("GET", f"{self.base}/.well-known/smart-configuration")
        found = said.get("token_endpoint")
        if not isinstance(found, str):
            raise Unusable("'.well-known/smart-configuration' has no token_endpoint; set DOSETWIN_FHIR_TOKEN_URL")
        return found

    async def _json(self, method: str, url: str, form: dict[str, str] | None = None) -> dict[str, object]:
        headers = {"accept": "application/json", "accept-encoding": "gzip"}
        async with self.client.stream(method, url, data=form, headers=headers) as response:
            raw, status = await limited(response, _MOST_BYTES), response.status_code
        try:
            said = json.loads(raw)
        except (ValueError, RecursionError):
            said = None
        if status >= 300 or not isinstance(said, dict):
            code = said.get("error") if isinstance(said, dict) else None
            told = f" {code!r}" if isinstance(code, str) and code.isascii() and len(code) < 40 else ""
            raise Unusable(f"{urlsplit(url).path} answers {status}{told}")
        return said


def _read_key(settings: SmartSettings) -> RSAKey | ECKey:
    """The private key.

    Raises:
        SettingsError: it cannot be read, or is of another kind.
    """
    variable, path = SmartSettings.variable("key_file"), settings.key_file
    mend = "name a file with a private key, RSA of 2048 bits or more, or EC on P-384"
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"{variable}={path!r}: {error.strerror}; {mend}") from None
    for kind in (RSAKey, ECKey):
        try:
            key = kind.import_key(json.loads(raw) if raw.lstrip()[:1] == b"{" else raw)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if key.is_private and (isinstance(key, RSAKey) or key.curve_name == "P-384"):
            return key
    raise SettingsError(f"{variable}={path!r}: no such key; {mend}")
