"""Tokens: random, kept as digests, good for a while."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.access.tokens import MARK, digest_of, new_token, token_of
from tests import factories as make

NOW = make.at(0)


def test_a_token_is_known_by_its_digest_until_it_ends() -> None:
    text, token = new_token("board-3", "viewer", "W3-*", 7, NOW)
    assert text.startswith(MARK)
    assert token.sha256 == digest_of(text)
    assert text not in token.model_dump_json()
    for later, good in ((0, True), (6.99, True), (7, False), (800, False)):
        assert (token_of(f"Bearer {text}", [token], NOW + timedelta(days=later)) is token) is good


def test_other_texts_are_no_token() -> None:
    text, token = new_token("board-3", "viewer", "*", 7, NOW)
    disabled = token.model_copy(update={"disabled": True})
    assert token_of(f"Bearer {text}", [disabled], NOW) is None
    for shown in ("", text, f"Basic {text}", f"Bearer {text}x", "Bearer ", f"Bearer {token.sha256}"):
        assert token_of(shown, [token], NOW) is None
    assert token_of(f"bearer  {text}", [token], NOW) is token


def test_no_two_are_alike() -> None:
    assert len({new_token("b", "viewer", "*", 1, NOW)[0] for _ in range(100)}) == 100


@pytest.mark.parametrize("days", [0, -1, 367, float("nan")])
def test_a_token_for_ever_or_never_is_refused(days: float) -> None:
    with pytest.raises(ValueError, match="at most"):
        new_token("board-3", "viewer", "*", days, NOW)
