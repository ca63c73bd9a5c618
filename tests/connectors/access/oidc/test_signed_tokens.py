"""What a provider signs: everything that may be wrong with an ID token or a logout token is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from connectors.access.oidc.signed_tokens import (
    LOGGED_OUT,
    OLDEST_LOGOUT,
    BadToken,
    Expected,
    Key,
    id_token,
    logout_token,
)
from tests.connectors.access.oidc.lying import KEYS, Lying, part, unsigned

EXPECTED = Expected("https://i.example", "dosetwin", 60)
NOW = time.time()


@pytest.fixture
def says() -> Lying:
    one = Lying()
    one.address, one.now = EXPECTED.issuer, lambda: NOW
    return one


def key_of(kid: str | None, _: str) -> Key:
    if kid not in KEYS:
        raise BadToken("the provider publishes no such key")
    return KEYS[kid]


def read(text: str) -> Any:
    return id_token(text, key_of, EXPECTED, "n-1", NOW)


def test_what_is_right_is_taken_whichever_key_signed_it(says: Lying) -> None:
    for says.key in ("k1", "r1"):
        assert read(says.sign(says.usual(nonce="n-1")))["sub"] == "s-7"
    assert read(says.sign(says.usual(nonce="n-1", aud=["dosetwin"])))
    assert read(says.sign(says.usual(nonce="n-1", aud=["dosetwin", "other"], azp="dosetwin")))
    assert read(says.sign(says.usual(nonce="n-1"), typ="JWT", more="unknown headers are let be"))
    says.key = "r1"
    assert read(says.sign(says.usual(nonce="n-1"), alg="PS256"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": "https://other.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "other"}, "aud"),
        ({"aud": ["other"]}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": {"dosetwin": 1}}, "aud"),
        ({"aud": ["dosetwin", "other"]}, "another party"),
        ({"azp": "other"}, "another party"),
        ({"nonce": "n-2"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": ["n-2"]}, "nonce"),
        ({"exp": NOW - 61}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"iat": NOW + 70}, "issued in the future"),
        ({"iat": None}, "iat"),
        ({"nbf": NOW + 70}, "not yet valid"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 7}, "sub"),
    ],
)
def test_a_claim_that_is_wrong_is_named_without_its_value(says: Lying, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(BadToken, match=why) as caught:
        read(says.sign(says.usual(**({"nonce": "n-1"} | changes))))
    assert "other" not in str(caught.value).replace("another", "")


def test_clocks_may_differ_a_little(says: Lying) -> None:
    for changes in ({"exp": NOW - 50}, {"iat": NOW + 50}, {"nbf": NOW + 50}):
        assert read(says.sign(says.usual(nonce="n-1", **changes)))


def test_what_nobody_signed_or_somebody_else_is_refused(says: Lying) -> None:
    good = says.usual(nonce="n-1")
    right = says.sign(good)
    header, claims, signature = right.split(".")
    shared = jwt.encode({"alg": "HS256", "kid": "k1"}, good, OctKey.import_key("a secret of more than 14 bytes"))
    public = jwt.encode(
        {"alg": "HS256", "kid": "r1"}, good, OctKey.import_key(part(KEYS["r1"].as_bytes(private=False)))
    )
    forged = jwt.encode({"alg": "ES256", "kid": "k1"}, good, ECKey.generate_key("P-256"))
    own = ECKey.generate_key("P-256")
    brought = jwt.encode({"alg": "ES256", "jwk": own.as_dict(private=False)}, good, own)
    unnamed = part({"alg": "ES256", "kid": 7})
    longer = jwt.encode({"alg": "ES384", "kid": "k1"}, good, ECKey.generate_key("P-384"), algorithms=["ES384"])
    for text, why in (
        (unsigned(good), "not signed"), (unsigned(good, "None"), "not signed"), (unsigned(good, "HS256"), "not signed"),
        (shared, "not signed"), (public, "not signed"), (forged, "signature is wrong"), (longer, "signature is wrong"),
        (brought, "no such key"), (says.sign(good, kid="k9"), "no such key"),
        (f"{unnamed}.{claims}.{signature}", "no text"),
        (f"{header}.{part(good | {'sub': 's-8'})}.{signature}", "signature is wrong"), (f"{header}.{claims}.", "wrong"),
        (f"{part({'alg': 'ES256', 'kid': 'k1', 'crit': ['b64'], 'b64': False})}.{claims}.{signature}", "wrong"),
        ("", "form"), ("a.b", "form"), (right + ".x", "form"), ("é.é.é", "form"), (f"{part([])}.{claims}.x", "form"),
        (f"{part(b'[' * 90_000)}.{claims}.x", "form"), (says.sign(good | {"x": "x" * 200_000}), "wrong"),
    ):  # fmt: skip
        with pytest.raises(BadToken, match=why):
            read(text)


def out(text: str, now: float = NOW) -> Any:
    return logout_token(text, key_of, EXPECTED, now)


def test_a_logout_token_says_whose_sessions_end(says: Lying) -> None:
    said = out(says.sign(says.logout(jti="j-1"), typ="logout+jwt"))
    assert (said.subject, said.session, said.token_id) == ("s-7", "sid-1", "j-1")
    assert out(says.sign(says.logout(sid=None))).session is None
    assert out(says.sign(says.logout(sub=None), typ="JWT")).subject is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"events": None}, "does not tell that event"),
        ({"events": {}}, "does not tell that event"),
        ({"events": [LOGGED_OUT]}, "does not tell that event"),
        ({"events": {LOGGED_OUT: True}}, "does not tell that event"),
        ({"nonce": "n-1"}, "has a nonce"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"sub": None, "sid": None}, "neither a subject nor a session"),
        ({"sid": 7}, "session is no text"),
        ({"aud": "other"}, "aud"),
        ({"iss": "https://other.example"}, "iss"),
        ({"exp": NOW - 61}, "expired"),
        ({"exp": None}, "exp"),
        ({"iat": NOW - OLDEST_LOGOUT - 61}, "issued more than"),
        ({"iat": NOW + 70}, "future"),
    ],
)
def test_what_is_no_logout_token_of_now_ends_nothing(says: Lying, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(BadToken, match=why):
        out(says.sign(says.logout(**changes)))


def test_neither_kind_is_taken_for_the_other(says: Lying) -> None:
    with pytest.raises(BadToken, match="event"):
        out(says.sign(says.usual(jti="j-1")))
    with pytest.raises(BadToken, match="nonce"):
        read(says.sign(says.logout()))
    with pytest.raises(BadToken, match="type"):
        out(says.sign(says.logout(), typ="at+jwt"))
    with pytest.raises(BadToken, match="not signed"):
        out(unsigned(says.logout()))
