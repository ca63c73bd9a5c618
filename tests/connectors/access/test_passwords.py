"""Passwords: what one must be, and how one is kept."""

from __future__ import annotations

import pytest

from connectors.access.passwords import MOST, NOBODYS, check, fits, hashed


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("short", "5 characters: take 12 to 256"),
        ("x" * (MOST + 1), "257 characters"),
        ("abababababab", "few different characters"),
        ("here is Nurse-7 again", "the account's name"),
    ],
)
def test_one_that_is_easily_guessed_is_refused_and_never_repeated(password: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        check(password, "nurse-7")
    assert password not in str(refused.value)


def test_what_is_kept_is_argon2id_with_a_salt_of_its_own_and_fits_that_password_alone() -> None:
    one, two = hashed("four words of a ward"), hashed("four words of a ward")
    assert one.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert one != two
    assert NOBODYS.startswith("$argon2id$v=19$m=65536,t=3,p=4$"), "who has no account is told so no sooner"
    assert fits(one, "four words of a ward")
    assert not fits(one, "four words of a Ward")


@pytest.mark.parametrize("kept", ["", "plain", "$argon2id$broken"])
def test_what_is_no_hash_fits_nothing(kept: str) -> None:
    assert not fits(kept, "plain")
