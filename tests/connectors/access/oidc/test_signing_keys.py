"""The keys of a provider: they change, and whoever makes ids up lets nobody be asked the more."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.access.oidc.signed_tokens import BadToken
from connectors.access.oidc.signing_keys import KEPT_SECONDS, LEAST_SECONDS, SigningKeys
from tests.connectors.access.oidc.lying import KEYS, part


class Published:
    def __init__(self, *keys: Any) -> None:
        self.keys, self.asked, self.at = list(keys), 0, 0.0

    def __call__(self) -> object:
        self.asked += 1
        return {"keys": self.keys}


def public(kid: str, **more: Any) -> dict[str, Any]:
    return KEYS[kid].as_dict(private=False, kid=kid, **more)


@pytest.fixture
def published() -> Published:
    return Published(public("k1"), public("r1", use="sig"))


@pytest.fixture
def keys(published: Published) -> SigningKeys:
    return SigningKeys(published, lambda: published.at)


def test_a_new_key_is_found_and_one_that_is_withdrawn_is_taken_no_more(published: Published, keys: SigningKeys) -> None:
    assert keys.key("k1", "ES256").kid == "k1"
    published.keys = [public("k2")]
    published.at += LEAST_SECONDS + 1
    assert keys.key("k2", "ES256").kid == "k2"
    with pytest.raises(BadToken, match="no such key"):
        keys.key("k1", "ES256")
    published.keys = []
    published.at += KEPT_SECONDS + 1
    with pytest.raises(BadToken, match="no such key"):
        keys.key("k2", "ES256")


def test_ids_that_are_made_up_let_the_provider_be_asked_once_in_a_while(
    published: Published, keys: SigningKeys
) -> None:
    for number in range(50):
        published.at += 0.5
        with pytest.raises(BadToken):
            keys.key(f"made-up-{number}", "ES256")
    assert published.asked <= 4


def test_a_token_that_names_no_key_needs_one_that_is_alone_of_its_kind(published: Published, keys: SigningKeys) -> None:
    assert keys.key(None, "ES256").kid == "k1"
    published.keys.append(public("k2"))
    published.at += KEPT_SECONDS + 1
    with pytest.raises(BadToken, match="does not say by which key"):
        keys.key(None, "ES256")


def test_a_key_is_used_for_what_it_is_for(published: Published, keys: SigningKeys) -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    published.keys = [
        public("k1", use="enc"), public("k2", alg="ES384"), public("r1", alg="RS256"), "x", {},
        {"kty": "EC", "kid": "b"}, {"kty": "oct", "k": part(b"x" * 32), "kid": "oct"},
        {"kty": "RSA", "kid": "weak", "n": part(weak.n.to_bytes(128)), "e": "AQAB"},
        {"kty": "RSA", "kid": "none", "n": 7, "e": "AQAB"},
    ]  # fmt: skip
    assert keys.key("r1", "RS256").kid == "r1"
    for kid, algorithm in (
        ("k1", "ES256"), ("k2", "ES256"), ("r1", "PS256"), ("r1", "ES256"), ("weak", "RS256"), ("none", "RS256"),
        ("oct", "RS256"), ("b", "ES256"),
    ):  # fmt: skip
        with pytest.raises(BadToken, match="no such key"):
            keys.key(kid, algorithm)


@pytest.mark.parametrize("said", [None, [], {"keys": "x"}, {"keys": {"a": 1}}, "keys"])
def test_what_is_no_set_of_keys_has_none(said: object) -> None:
    with pytest.raises(BadToken, match="no such key"):
        SigningKeys(lambda: said, time.monotonic).key("k1", "ES256")
