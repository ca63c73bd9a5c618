"""Sessions of people who are logged in: kept here, and known by a random id of which only a digest is kept.

A session ends when it was not used for a while, when it is old, when it is logged out, when the account that it is of
has changed in anything (its password, its role, its patients, or whether it may log in), and when the provider of
identities that told of its holder says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.access.accounts import Holder
from connectors.access.tokens import digest_of

IDLE = timedelta(minutes=30)
"""For which a session may be unused."""

OLDEST = timedelta(hours=12)
"""How old a session may become: a long shift."""

MOST_EACH = 20
"""Sessions of one account; a further one ends the one that was unused longest."""


@dataclass(frozen=True, slots=True)
class Outside:
    """By whom a provider of identities knows a session's holder; ``token`` is what it said of them, signed."""

    issuer: str
    subject: str
    session: str | None
    token: str = field(repr=False)

    def ends_with(self, subject: str | None, session: str | None) -> bool:
        """Whether its session ends when all of a subject do, or one of a provider's sessions does."""
        if subject is not None and subject != self.subject:
            return False
        return session is None or (self.session is None and subject is not None) or session == self.session


@dataclass(slots=True)
class Session:
    """One log-in: of which holder as they were then, since when, used last when, and who told of the holder."""

    holder: Holder
    began: datetime
    used: datetime
    outside: Outside | None = None


class Sessions:
    """Those that there are; ``now`` is the time. Lost when the process ends: everybody logs in again."""

    def __init__(self, now: Callable[[], datetime], idle: timedelta = IDLE, oldest: timedelta = OLDEST) -> None:
        self._now, self._idle, self._oldest = now, idle, oldest
        self._each: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._each)

    def begin(self, holder: Holder, outside: Outside | None = None) -> str:
        """A new session, by its id: never one that was there before."""
        now = self._now()
        self._each = {digest: one for digest, one in self._each.items() if self._lasts(one, now)}
        own = sorted((one.used, digest) for digest, one in self._each.items() if one.holder.name == holder.name)
        for _, digest in own[: max(len(own) - MOST_EACH + 1, 0)]:
            del self._each[digest]
        secret = secrets.token_urlsafe(32)
        self._each[digest_of(secret)] = Session(holder, now, now, outside)
        return secret

    def find(self, secret: str, *, use: bool) -> Session | None:
        """The session of that id, None where there is none, or it has ended; ``use``: somebody does something in it."""
        digest, now = digest_of(secret), self._now()
        session = self._each.get(digest)
        if session is None:
            return None
        if not self._lasts(session, now):
            del self._each[digest]
            return None
        if use:
            session.used = now
        return session

    def end(self, secret: str) -> None:
        """It is over; no error where there is none."""
        self._each.pop(digest_of(secret), None)

    def end_each(self, ends: Callable[[Session], bool]) -> tuple[str, ...]:
        """Those are over; the name of each one's holder."""
        over = [digest for digest, one in self._each.items() if ends(one)]
        return tuple(self._each.pop(digest).holder.name for digest in over)

    def _lasts(self, session: Session, now: datetime) -> bool:
        return now - session.used < self._idle and now - session.began < self._oldest
