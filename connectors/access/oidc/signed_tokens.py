"""What a provider signs: who has logged in (an ID token), and whose sessions end (a logout token).

OpenID Connect Core 1.0, section 3.1.3.7, and Back-Channel Logout 1.0, section 2.6. A signature is one of those below,
by a key that the provider publishes; ``none`` and what is signed by a shared secret is never taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry, extract_compact
from joserfc.jwt import ClaimsOption, JWTClaimsRegistry

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")

LOGGED_OUT = "http://schemas.openid.net/event/backchannel-logout"

OLDEST_LOGOUT = 600
"""Seconds after which a logout token is not taken any more, whatever it says: for as long its id is remembered."""

Key = RSAKey | ECKey
KeyOf = Callable[[str | None, str], Key]
"""The provider's key of an id (None where a token names none) and for an algorithm; raises `BadToken`."""


class BadToken(ValueError):
    """It is none of this provider, for us, and of now; the message says why, and nothing of what it says."""


@dataclass(frozen=True)
class Expected:
    """What is the same in all that a provider signs for us, and by how many seconds clocks may differ."""

    issuer: str
    client_id: str
    skew: int


@dataclass(frozen=True)
class LogOut:
    """Whose sessions end: all of a subject, or one; ``token_id`` and ``at`` tell a repeat."""

    subject: str | None
    session: str | None
    token_id: str
    at: float


def id_token(text: str, key_of: KeyOf, expected: Expected, nonce: str, now: float) -> Mapping[str, Any]:
    """The claims of somebody who has just logged in, by the request of that nonce. Raises `BadToken`."""
    _, claims = _verified(text, key_of)
    _checked(claims, expected, now, nonce={"essential": True, "value": nonce}, sub={"essential": True})
    return claims


def logout_token(text: str, key_of: KeyOf, expected: Expected, now: float) -> LogOut:
    """Whose sessions end. Raises `BadToken`, also of an ID token, and of one that is old."""
    header, claims = _verified(text, key_of)
    if str(header.get("typ", "JWT")).lower().removeprefix("application/") not in ("jwt", "logout+jwt"):
        raise BadToken("its type is another")
    _checked(claims, expected, now, jti={"essential": True})
    events, subject, session = claims.get("events"), claims.get("sub"), claims.get("sid")
    if not isinstance(events, dict) or not isinstance(events.get(LOGGED_OUT), dict):
        raise BadToken("it is no logout token: it does not tell that event")
    if "nonce" in claims:
        raise BadToken("it is no logout token: it has a nonce")
    if not subject and not session:
        raise BadToken("it names neither a subject nor a session")
    if session is not None and not isinstance(session, str):
        raise BadToken("its session is no text")
    if claims["iat"] < now - OLDEST_LOGOUT - expected.skew:
        raise BadToken(f"it was issued more than {OLDEST_LOGOUT} s ago")
    return LogOut(subject, session, claims["jti"], float(claims["iat"]))


def _verified(text: str, key_of: KeyOf) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of what is signed as it should be."""
    try:
        header = extract_compact(text.encode()).headers()
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise BadToken(f"its form is wrong ({type(error).__name__})") from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise BadToken("it is not signed, or not by an algorithm that is taken: " + ", ".join(ALGORITHMS))
    if kid is not None and not isinstance(kid, str):
        raise BadToken("the id of its key is no text")
    key = key_of(kid, algorithm)
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        return header, jwt.decode(text, key, registry=registry).claims
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise BadToken(f"its form or its signature is wrong ({type(error).__name__})") from None


def _checked(claims: dict[str, Any], expected: Expected, now: float, **more: ClaimsOption) -> None:
    registry = JWTClaimsRegistry(
        int(now),
        expected.skew,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        exp={"essential": True},
        iat={"essential": True},
        **more,
    )
    try:
        registry.validate(claims)
    except JoseError as error:
        raise BadToken(f"{error.error}: {error.description or 'a claim is wrong'}") from None
    party = claims.get("azp")
    if party != expected.client_id and (party is not None or _several(claims["aud"])):
        raise BadToken("it was issued to another party (azp)")


def _several(audience: object) -> bool:
    return isinstance(audience, list) and len(audience) > 1
