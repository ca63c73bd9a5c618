"""What a browser is sent to the provider with, and how its return is known for the same: state, nonce and PKCE.

The browser keeps one secret, in a cookie; state, nonce and verifier are made of it with a key that this process alone
has. So nothing is kept here of those who begin and never return, and a state is good in the browser alone that began.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

LASTS = timedelta(minutes=10)
"""From the beginning of a log-in to its end."""


class Begun(NamedTuple):
    """A log-in on its way.

    Attributes:
        cookie: what the browser keeps.
        state: comes back from the provider by the browser.
        nonce: comes back in the ID token.
        verifier: shows the provider that who asks for the tokens is who began (RFC 7636).
    """

    cookie: str
    state: str
    nonce: str
    verifier: str

    @property
    def challenge(self) -> str:
        """Of the verifier, by the method S256."""
        return _text(hashlib.sha256(self.verifier.encode()).digest())


class Requests:
    """Those of one process, whose key is nowhere else; ``now`` is the time."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now, self._key = now, secrets.token_bytes(32)

    def begin(self) -> Begun:
        """A new one."""
        return self._made(f"{int(self._now().timestamp())}.{secrets.token_urlsafe(32)}")

    def of(self, cookie: str, state: str) -> Begun | None:
        """The one that a browser with that cookie began, with that state; None where it is another's, or too old."""
        began, _, secret = cookie.partition(".")
        if not (began.isascii() and began.isdecimal() and len(began) < 12 and secret):
            return None
        made, age = self._made(cookie), self._now().timestamp() - int(began)
        same = hmac.compare_digest(made.state.encode(), state.encode())
        return made if same and age < LASTS.total_seconds() else None

    def _made(self, cookie: str) -> Begun:
        parts = [self._part(name, cookie) for name in ("state", "nonce", "verifier")]
        return Begun(cookie, *parts)

    def _part(self, name: str, cookie: str) -> str:
        return _text(hmac.digest(self._key, f"{name}:{cookie}".encode(), "sha256"))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
