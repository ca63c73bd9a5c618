"""The doorkeeper: who comes with a password, by a provider of identities, with a session or a token, and whether they
are still let in.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from connectors.access.accounts import Account, Accounts, AccountsError, AccountsFile, Holder
from connectors.access.passwords import NOBODYS, check, fits
from connectors.access.preferences import PreferencesFile
from connectors.access.roles import Who
from connectors.access.sessions import IDLE, OLDEST, Outside, Session, Sessions
from connectors.access.tokens import token_of
from connectors.access.waits import Waits

FREE_OF_ACCOUNT, FREE_OF_ADDRESS = 5, 20
"""Attempts that may fail before the next must wait: with one account's name, and from one address."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 900.0
"""Seconds; each wait is twice the one before."""

log = structlog.get_logger(__name__)


class NotLetIn(ValueError):
    """No log-in; ``wait`` is how many seconds to wait for the next attempt, 0 where it may be made now."""

    def __init__(self, why: str, wait: int = 0) -> None:
        super().__init__(why)
        self.wait = wait


class NotChanged(ValueError):
    """A password is not changed; the message says why, and never a password."""


class Doorkeeper:
    """Of one console.

    Args:
        file: who may come in by a password or a token; None: nobody by these.
        now: the time; ``clock``: seconds that never go back.
        idle, oldest: limits of a session.
    """

    def __init__(
        self,
        file: AccountsFile | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        idle: timedelta = IDLE,
        oldest: timedelta = OLDEST,
    ) -> None:
        self._file, self._now = file, now
        beside = None if file is None else file.path.with_name(f"{file.path.stem}.preferences.json")
        self.preferences = None if beside is None else PreferencesFile(beside)
        self._sessions = Sessions(now, idle, oldest)
        self._by_account = Waits(FREE_OF_ACCOUNT, FIRST_WAIT, LONGEST_WAIT, clock)
        self._by_address = Waits(FREE_OF_ADDRESS, FIRST_WAIT, LONGEST_WAIT, clock)
        self._lock = threading.Lock()
        self._trouble = ""

    @property
    def has_accounts(self) -> bool:
        """Whether anybody may come in by a password."""
        return self._file is not None

    def log_in(self, name: str, password: str, address: str) -> str:
        """The id of a new session. It takes a quarter of a second, whether or not there is such an account.

        Raises:
            NotLetIn: name or password is wrong, which is not told apart, or it was tried too often.
        """
        self._attempt(name, address)
        account = self._accounts().account(name)
        if not fits(account.password if account else NOBODYS, password) or account is None:
            log.warning("log_in_refused", cause="wrong name or password", address=address)
            raise NotLetIn("name or password is wrong")
        session = self._succeeded(account, address)
        log.info("logged_in", account=name, address=address)
        return session

    def knows(self, name: str) -> bool:
        """Whether there is an account of that name, so that it may be written down."""
        return self._accounts().account(name) is not None

    def let_in(self, holder: Holder, outside: Outside, address: str) -> str:
        """The id of a new session of somebody of whom a provider of identities told.

        Raises:
            NotLetIn: an account or token here has that name, so that it would not be told who acts.
        """
        if holder.name.lower() in {each.name.lower() for each in self._accounts().each}:
            log.warning("log_in_refused", cause="the name is that of an account here", address=address)
            raise NotLetIn("an account here has that name")
        with self._lock:
            session = self._sessions.begin(holder, outside)
        log.info("logged_in", account=holder.name, address=address, by="provider")
        return session

    def change_password(self, session: str, old: str, new: str, address: str) -> str:
        """The id of a new session in place of that one and of all others of its account, which has another password.

        Raises:
            NotLetIn: the old password is wrong, or was tried too often.
            NotChanged: there is no such account, or the new password cannot be one.
            AccountsError: the file cannot be written.
        """
        with self._lock:
            found = self._sessions.find(session, use=True)
        account = found.holder if found else None
        if self._file is None or not isinstance(account, Account):
            raise NotChanged("who logs in by a provider, or shows a token, has no password here")
        try:
            check(new, account.name)
        except ValueError as error:
            raise NotChanged(str(error)) from None
        if new == old:
            raise NotChanged("the new password is the old one: take another")
        self._attempt(account.name, address)
        if not fits(account.password, old):
            log.warning("password_not_changed", cause="wrong old password", account=account.name, address=address)
            raise NotLetIn("the old password is wrong")
        changed = self._file.change(lambda all_: _unchanged(all_, account).with_password(account.name, new))
        with self._lock:
            self._sessions.end_each(lambda one: one.holder == account)
        made = changed.account(account.name)
        assert made is not None
        log.info("password_changed", account=account.name, address=address)
        return self._succeeded(made, address)

    def log_out(self, session: str) -> None:
        """The session is over, wherever it is open."""
        with self._lock:
            self._sessions.end(session)

    def in_session(self, session: str, *, use: bool) -> Who | None:
        """Who is in a session; ``use``: they do something, so that it goes on."""
        accounts = self._accounts()
        with self._lock:
            found = self._sessions.find(session, use=use)
            if found is None:
                return None
            if found.outside is None and accounts.account(found.holder.name) != found.holder:
                self._sessions.end(session)
                return None
        return found.holder.who

    def is_of_account(self, session: str) -> bool:
        """Whether it is one of somebody with a password here."""
        with self._lock:
            found = self._sessions.find(session, use=False)
        return found is not None and found.outside is None

    def outside(self, session: str) -> Outside | None:
        """By whom a provider knows who is in a session; None where none does."""
        with self._lock:
            found = self._sessions.find(session, use=False)
        return found.outside if found else None

    def end_outside(self, issuer: str, subject: str | None, session: str | None) -> tuple[str, ...]:
        """Sessions are over that a provider ends: the name of each one's holder."""

        def ends(one: Session) -> bool:
            return one.outside is not None and one.outside.issuer == issuer and one.outside.ends_with(subject, session)

        with self._lock:
            return self._sessions.end_each(ends)

    def with_token(self, authorization: str) -> Who | None:
        """Who shows a token in an ``Authorization`` header."""
        token = token_of(authorization, self._accounts().tokens, self._now())
        return None if token is None else token.who

    def _attempt(self, name: str, address: str) -> None:
        """A password is tried, which counts as wrong until `_succeeded`. Raises `NotLetIn`: not so often."""
        with self._lock:
            wait = max(self._by_address.left(address), self._by_account.left(name))
            if not wait:
                self._by_address.attempt(address)
                self._by_account.attempt(name)
        if wait:
            log.warning("log_in_refused", cause="too many attempts", address=address, wait=math.ceil(wait))
            raise NotLetIn(f"too many attempts: try again in {math.ceil(wait)} s", math.ceil(wait))

    def _succeeded(self, account: Account, address: str) -> str:
        with self._lock:
            self._by_account.forgive(account.name)
            self._by_address.refund(address)
            return self._sessions.begin(account)

    def _accounts(self) -> Accounts:
        """Everybody; nobody while the file cannot be trusted, which is logged once."""
        if self._file is None:
            return Accounts()
        try:
            accounts = self._file.read()
        except AccountsError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error("nobody_is_let_in", cause=self._trouble)
            return Accounts()
        self._trouble = ""
        return accounts


def _unchanged(all_: Accounts, account: Account) -> Accounts:
    """All of them, if that one is as it was. Raises `ValueError`."""
    if all_.account(account.name) != account:
        raise ValueError("the account has changed meanwhile; log in again")
    return all_
