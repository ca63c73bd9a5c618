"""Tokens of programs: 256 random bits, shown once, of which a digest is kept. They end by themselves."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from connectors.access.accounts import Token

MARK = "dosetwin_"
"""How a token begins, so that one that lies about is recognised."""

LONGEST_DAYS = 366


def new_token(name: str, role: str, patients: str, days: float, now: datetime) -> tuple[str, Token]:
    """A token, and what is kept of it.

    Raises:
        ValueError: a field cannot be so; the message names it, its value and the mend.
    """
    if not 0 < days <= LONGEST_DAYS:
        raise ValueError(f"{days:g} days: a token is good for more than none and for {LONGEST_DAYS} at most")
    text = MARK + secrets.token_urlsafe(32)
    kept = {"name": name, "role": role, "patients": patients, "sha256": digest_of(text)}
    return text, Token.model_validate(kept | {"expires": now + timedelta(days=days)})


def digest_of(secret: str) -> str:
    """What is kept of a secret that nobody chose: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def token_of(authorization: str, tokens: Iterable[Token], now: datetime) -> Token | None:
    """The token of an ``Authorization`` header that is good now; every digest is compared, in constant time."""
    scheme, _, shown = authorization.partition(" ")
    digest, found = digest_of(shown.strip()), None
    for token in tokens:
        if hmac.compare_digest(token.sha256, digest):
            found = token
    if found is None or scheme.lower() != "bearer":
        return None
    return found if not found.disabled and now < found.expires else None
