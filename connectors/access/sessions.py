"""Sessions of people who are logged in: kept here, and known by a random id of which only a digest is kept.

A session ends when it was not used for a while, when it is old, when it is logged out, and when the account that it is
of has changed in anything: its password, its role, its patients, or whether it may log in.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.access.accounts import Account
from connectors.access.tokens import digest_of

IDLE = timedelta(minutes=30)
"""For which a session may be unused."""

OLDEST = timedelta(hours=12)
"""How old a session may become: a long shift."""

MOST_EACH = 20
"""Sessions of one account; a further one ends the one that was unused longest."""


@dataclass(slots=True)
class Session:
    """One log-in: of which account as it was then, since when, and used last when."""

    account: Account
    began: datetime
    used: datetime


class Sessions:
    """Those that there are; ``now`` is the time. Lost when the process ends: everybody logs in again."""

    def __init__(self, now: Callable[[], datetime], idle: timedelta = IDLE, oldest: timedelta = OLDEST) -> None:
        self._now, self._idle, self._oldest = now, idle, oldest
        self._each: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._each)

    def begin(self, account: Account) -> str:
        """A new session, by its id: never one that was there before."""
        now = self._now()
        self._each = {digest: one for digest, one in self._each.items() if self._lasts(one, now)}
        own = sorted((one.used, digest) for digest, one in self._each.items() if one.account.name == account.name)
        for _, digest in own[: max(len(own) - MOST_EACH + 1, 0)]:
            del self._each[digest]
        secret = secrets.token_urlsafe(32)
        self._each[digest_of(secret)] = Session(account, now, now)
        return secret

    def account(self, secret: str, *, use: bool) -> Account | None:
        """Whose session that is, and None where it is none, or has ended; ``use``: somebody does something in it."""
        digest, now = digest_of(secret), self._now()
        session = self._each.get(digest)
        if session is None:
            return None
        if not self._lasts(session, now):
            del self._each[digest]
            return None
        if use:
            session.used = now
        return session.account

    def end(self, secret: str) -> None:
        """It is over; no error where there is none."""
        self._each.pop(digest_of(secret), None)

    def _lasts(self, session: Session, now: datetime) -> bool:
        return now - session.used < self._idle and now - session.began < self._oldest
