"""Standard Webhooks (standardwebhooks.com, version 1): how a message is signed, and whether a signature is right.

What is signed is ``webhook-id.webhook-timestamp.body``, the body as the bytes that are sent, with HMAC-SHA256 under a
secret that both sides have (``whsec_`` and base64). While a secret is changed for another both hold good: a message has
a signature under each, or is looked at with each.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
"""Names of the headers."""

TOLERANCE_SECONDS = 300
"""So far may the time of a message be from now; what was overheard is of no use after that."""

LEAST_KEY_BYTES = 24
"""Of a secret, as the standard has it."""

PREFIX = "whsec_"


class SecretsError(ValueError):
    """No secrets of Standard Webhooks; the message says what is wrong and never what they are."""


class NotSigned(ValueError):
    """A message that is not proven to be of who has the secret; the message says what to mend."""


def new_secret() -> str:
    """A secret that nobody knows yet."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def keys_of(said: str) -> tuple[bytes, ...]:
    """The keys of one secret, or of several with blanks between them.

    Raises:
        SecretsError: there is none, or one is no secret.
    """
    keys = tuple(_key(secret) for secret in said.split())
    if not keys:
        raise SecretsError(f"no secret; it is {PREFIX} and base64, several are separated by blanks")
    return keys


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or len(key) < LEAST_KEY_BYTES:
        raise SecretsError(f"no secret; it is {PREFIX} and the base64 of {LEAST_KEY_BYTES} bytes or more")
    return key


def signed(keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a message, with a signature under each key; ``timestamp`` in whole seconds since 1970.

    A message that is sent again keeps its id.
    """
    signatures = " ".join(_signature(key, message_id, str(timestamp), body) for key in keys)
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: signatures}


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    made = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(made).decode()}"


@dataclass(frozen=True)
class Claim:
    """What the headers of a message say, before its body is read."""

    message_id: str
    timestamp: str
    signatures: tuple[str, ...]

    @classmethod
    def of(cls, headers: Mapping[str, str], now: float) -> Claim:
        """The claim of a message that came ``now`` (seconds since 1970); names of headers in lower case.

        Raises:
            NotSigned: a header is missing, or the time is not one of these minutes.
        """
        said = [headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE)]
        if not all(said):
            missing = ", ".join(name for name, text in zip((ID, TIMESTAMP, SIGNATURE), said, strict=True) if not text)
            raise NotSigned(f"header {missing} is missing; a signed message has {ID}, {TIMESTAMP} and {SIGNATURE}")
        message_id, timestamp, signatures = said
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 16):
            raise NotSigned(f"header {TIMESTAMP}: send whole seconds since 1970")
        if abs(late := now - int(timestamp)) > TOLERANCE_SECONDS:
            where = "before" if late > 0 else "after"
            mend = "set the sender's clock, and sign again what is sent again"
            raise NotSigned(f"header {TIMESTAMP}: more than {TOLERANCE_SECONDS} s {where} the time here; {mend}")
        return cls(message_id, timestamp, tuple(signatures.split()))

    def proven(self, keys: Iterable[bytes], body: bytes) -> bool:
        """Whether one of the signatures is under one of the keys; each is compared, in constant time."""
        found = False
        for key in keys:
            right = _signature(key, self.message_id, self.timestamp, body).encode()
            for signature in self.signatures:
                found |= hmac.compare_digest(right, signature.encode())
        return found
