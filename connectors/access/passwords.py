"""Passwords: what one must be, how it is kept (Argon2id, RFC 9106), and whether one is right.

>>> check("correct horse battery", "nurse-7")
"""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

LEAST, MOST = 12, 256
"""Characters of a password."""

LEAST_DIFFERENT = 5
"""Characters that differ from each other."""

_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)

NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$X7Tx9pTzYZmtjF8AnIsOjg$UltR7ObtFPmWUMJ2AYeCR3HNRTBGT5Zli7ja4T83lXM"
"""What a password is held against where there is no account, so that it takes as long as with one."""


def check(password: str, name: str) -> None:
    """Whether an account of that name may have it.

    Raises:
        ValueError: it may not; the message says why, and never the password.
    """
    if not LEAST <= len(password) <= MOST:
        raise ValueError(f"the password has {len(password)} characters: take {LEAST} to {MOST}, such as four words")
    if len(set(password)) < LEAST_DIFFERENT:
        raise ValueError("the password has few different characters: take four words")
    if name.lower() in password.lower():
        raise ValueError("the password holds the account's name: take another")


def hashed(password: str) -> str:
    """What is kept of a password: salt, cost and hash in PHC's form. It takes a quarter of a second and 64 MiB."""
    return _hasher.hash(password)


def fits(kept: str, password: str) -> bool:
    """Whether a password is the one of which that is kept."""
    try:
        return len(password) <= MOST and _hasher.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False
