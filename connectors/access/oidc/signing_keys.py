"""The keys by which a provider signs (JSON Web Key Set, RFC 7517), as it publishes them; they change without notice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from connectors.access.oidc.signed_tokens import BadToken, Key

KEPT_SECONDS = 3600.0
"""For which keys are used before they are asked for again, so that one that was withdrawn is taken no more."""

LEAST_SECONDS = 10.0
"""Between two requests because of an id that is unknown: whoever makes tokens up lets nobody be asked more often."""

LEAST_BITS = 2048
"""Of an RSA key."""

MOST_KEYS = 100

_IMPORTS: dict[str, Callable[[dict[str, Any]], Key]] = {"RSA": RSAKey.import_key, "EC": ECKey.import_key}


class SigningKeys:
    """Those of one provider.

    Args:
        ask: what the provider publishes; raises where it does not answer.
        clock: seconds that never go back.
    """

    def __init__(self, ask: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._lock = threading.Lock()
        self._keys: tuple[Key, ...] = ()
        self._asked: float | None = None

    def key(self, kid: str | None, algorithm: str) -> Key:
        """The key of that id for an algorithm, or where a token names none, the only one that there is.

        Raises:
            BadToken: there is none, also now that it was asked for again; and what ``ask`` raises.
        """
        with self._lock:
            age = LEAST_SECONDS + KEPT_SECONDS if self._asked is None else self._clock() - self._asked
            if age > KEPT_SECONDS:
                self._renew()
            found = self._fitting(kid, algorithm)
            if not found and LEAST_SECONDS < age <= KEPT_SECONDS:
                self._renew()
                found = self._fitting(kid, algorithm)
        if len(found) != 1:
            raise BadToken("the provider publishes no such key" if not found else "it does not say by which key")
        return found[0]

    def usable(self) -> int:
        """How many there are by which a signature can be checked, asked for now; raises what ``ask`` raises."""
        with self._lock:
            self._renew()
            return len(self._keys)

    def _renew(self) -> None:
        said = self._ask()
        self._asked = self._clock()
        each = said.get("keys") if isinstance(said, dict) else None
        published = each[:MOST_KEYS] if isinstance(each, list) else []
        self._keys = tuple(key for one in published if (key := _key(one)))

    def _fitting(self, kid: str | None, algorithm: str) -> list[Key]:
        kind = ECKey if algorithm.startswith("ES") else RSAKey
        return [
            key
            for key in self._keys
            if isinstance(key, kind) and (kid is None or key.kid == kid) and key.get("alg") in (None, algorithm)
        ]


def _key(said: object) -> Key | None:
    """A public key that signatures may be checked by; of another kind or use none."""
    if not isinstance(said, dict) or said.get("use", "sig") != "sig":
        return None
    if said.get("kty") == "RSA" and _bits(said.get("n")) < LEAST_BITS:
        return None
    public = {name: value for name, value in said.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
    try:
        return _IMPORTS[str(said.get("kty"))](public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _bits(number: object) -> int:
    """How long a number is that stands as Base64url; none has no bits."""
    return 6 * len(str(number).lstrip("A")) if isinstance(number, str) else 0
