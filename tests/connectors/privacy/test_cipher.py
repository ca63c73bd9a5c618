"""One patient's bytes under one key: the same again, and opened by nothing else."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.privacy.cipher import NONCE, TAG, Cipher, NotOpened

ONE, OTHER = Cipher.of(b"1" * 32), Cipher.of(b"2" * 32)


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_what_is_encrypted_twice_is_the_same_and_opens_to_what_it_was(text: bytes, purpose: bytes) -> None:
    hidden = ONE.encrypted(purpose, text)
    assert hidden == Cipher.of(b"1" * 32).encrypted(purpose, text)
    assert len(hidden) == NONCE + len(text) + TAG
    assert ONE.opened(purpose, hidden) == text


def test_no_nonce_comes_twice_for_other_bytes_another_purpose_or_another_key() -> None:
    texts = [secrets.token_bytes(8) for _ in range(2_000)]
    found = {cipher.encrypted(use, text)[:NONCE] for cipher in (ONE, OTHER) for use in (b"a", b"b") for text in texts}
    assert len(found) == 4 * len(texts)
    assert ONE.encrypted(b"a", b"bc")[:NONCE] != ONE.encrypted(b"ab", b"c")[:NONCE]


def test_nothing_opens_that_was_changed_or_is_another_keys_or_for_another_use() -> None:
    hidden = ONE.encrypted(b"row", b"facts of a patient")
    for place in range(len(hidden)):
        changed = bytearray(hidden)
        changed[place] ^= 1
        with pytest.raises(NotOpened):
            ONE.opened(b"row", bytes(changed))
    for cipher, use, said in (
        (OTHER, b"row", hidden),
        (ONE, b"letter", hidden),
        (ONE, b"row", hidden[:-1]),
        (ONE, b"row", b""),
    ):
        with pytest.raises(NotOpened, match=r"another key's, for another use, truncated or altered"):
            cipher.opened(use, said)
