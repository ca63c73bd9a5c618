"""Who may send over HTTP, and what: bearer tokens, of which only the digests are written down, and signing webhooks.

[[token]]
source = "script-7"                 # the `source` of its events
sha256 = "9f86d081884c7d65..."      # of the token; `dosetwin listen token` makes one
kinds = ["lab_result"]              # what it may send; anything without
patients = ["P-1*", "P-20"]         # of whom, with * for any ending; of anybody without
profile = "lab-east.toml"           # for messages of a hospital's protocol; our own events need none
per_second = 500                    # events, on average

[[webhook]]                         # a source that signs each message (Standard Webhooks) and has no token
source = "ehr-hooks"
secrets = "DOSETWIN_WEBHOOK_EHR"    # the environment variable of its secret, or of several while it is changed
kinds = ["lab_result"]              # and all else that a token may have
"""

from __future__ import annotations

import hashlib
import hmac
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.settings import PREFIX
from connectors.webhooks import Claim, SecretsError, keys_of
from twin.events import InputEvent
from twin.events.envelope import Name

DEFAULT_PER_SECOND = 500.0

BURST_SECONDS = 2.0
"""So much more than the average may come at once."""


class TokensError(ValueError):
    """The file cannot be used; the message names file, field, value and mend."""


class _Scope(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    source: Name
    kinds: list[str] = []
    patients: list[str] = []
    profile: str = ""
    per_second: float = Field(DEFAULT_PER_SECOND, gt=0)


class _Token(_Scope):
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _Webhook(_Scope):
    secrets: str = Field(pattern=rf"^{PREFIX}WEBHOOK_[A-Z0-9_]+$")


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    token: list[_Token] = []
    webhook: list[_Webhook] = []


@dataclass
class Bucket:
    """A token bucket: ``rate`` a second on average; ``now`` is a monotonic clock in seconds."""

    rate: float
    now: Callable[[], float]
    _level: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._level, self._at = self.rate * BURST_SECONDS, self.now()

    def take(self, count: float) -> float:
        """Take so many; 0 where they were there, else the seconds until they are, and nothing was taken.

        More than a burst is let through when the bucket is full, so that no batch waits for ever.
        """
        now = self.now()
        most = self.rate * BURST_SECONDS
        self._level, self._at = min(most, self._level + (now - self._at) * self.rate), now
        wanted = min(count, most)
        if self._level >= wanted:
            self._level -= count
            return 0.0
        return (wanted - self._level) / self.rate


@dataclass(frozen=True)
class Grant:
    """What the bearer of a token, or who signs with a secret, may send."""

    source: str
    kinds: frozenset[str]
    patients: tuple[str, ...]
    profile: Path | None
    bucket: Bucket
    digest: bytes = field(default=b"", repr=False)
    keys: tuple[bytes, ...] = field(default=(), repr=False)

    def forbids(self, event: InputEvent) -> str:
        """Why this event is not the sender's to send; empty where it is."""
        kind = str(getattr(event, "kind", ""))
        if event.source != self.source:
            return f"field 'source' {event.source!r}: this sender sends as {self.source!r}"
        if self.kinds and kind not in self.kinds:
            return f"field 'kind' {kind!r}: this sender sends {', '.join(sorted(self.kinds))}"
        if self.patients and not any(fnmatchcase(event.patient_id, pattern) for pattern in self.patients):
            return "field 'patient_id': not a patient of this sender"
        return ""


@dataclass(frozen=True)
class Grants:
    """Every token, and everybody who signs."""

    each: tuple[Grant, ...]

    def of(self, authorization: str) -> Grant | None:
        """Whose an ``Authorization`` header is; every digest is compared, in constant time."""
        scheme, _, token = authorization.partition(" ")
        digest = hashlib.sha256(token.strip().encode()).digest()
        found = None
        for grant in self.each:
            if hmac.compare_digest(grant.digest, digest):
                found = grant
        return found if scheme.lower() == "bearer" else None

    def of_signed(self, claim: Claim, body: bytes) -> Grant | None:
        """Who signed a message; every key is tried."""
        found = None
        for grant in self.each:
            if claim.proven(grant.keys, body):
                found = grant
        return found


def read_grants(path: Path, now: Callable[[], float], environ: Mapping[str, str] = os.environ) -> Grants:
    """The tokens of a file, and who signs by the secrets in the environment.

    Raises:
        TokensError: it cannot be read, a field is unknown or wrong, or a secret is missing.
    """
    try:
        with path.open("rb") as file:
            said = _File.model_validate(tomllib.load(file))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise TokensError(f"{path}: field '{'.'.join(map(str, first['loc']))}': {first['msg']}") from None
    except (OSError, ValueError) as error:
        raise TokensError(f"{path}: {error}") from None
    if not said.token and not said.webhook:
        raise TokensError(f"{path}: no field 'token' and no 'webhook'; 'dosetwin listen token' makes the first")
    digests = [one.sha256 for one in said.token]
    if len(set(digests)) != len(digests):
        raise TokensError(f"{path}: two tokens have one 'sha256'; each source has its own")
    signing = [(one, _keys(path, one, environ)) for one in said.webhook]
    keys = [key for _, each in signing for key in each]
    if len(set(keys)) != len(keys):
        raise TokensError(f"{path}: two 'secrets' of webhooks are one; each source has its own")
    return Grants(
        (
            *(_grant(path, one, now, digest=bytes.fromhex(one.sha256)) for one in said.token),
            *(_grant(path, one, now, keys=keys) for one, keys in signing),
        )
    )


def _keys(path: Path, webhook: _Webhook, environ: Mapping[str, str]) -> tuple[bytes, ...]:
    try:
        return keys_of(environ.get(webhook.secrets, ""))
    except SecretsError as error:
        raise TokensError(f"{path}: webhook {webhook.source!r}: variable {webhook.secrets}: {error}") from None


def _grant(
    path: Path, said: _Scope, now: Callable[[], float], digest: bytes = b"", keys: tuple[bytes, ...] = ()
) -> Grant:
    profile = path.parent / said.profile if said.profile else None
    bucket = Bucket(said.per_second, now)
    return Grant(said.source, frozenset(said.kinds), tuple(said.patients), profile, bucket, digest, keys)
