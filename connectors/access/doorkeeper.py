"""The doorkeeper: who comes with a password, a session or a token, and whether they are still let in."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from connectors.access.accounts import Accounts, AccountsError, AccountsFile
from connectors.access.passwords import NOBODYS, fits
from connectors.access.roles import Who
from connectors.access.sessions import IDLE, OLDEST, Sessions
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


class Doorkeeper:
    """Of one console.

    Args:
        file: who may come in.
        now: the time; ``clock``: seconds that never go back.
        idle, oldest: limits of a session.
    """

    def __init__(
        self,
        file: AccountsFile,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        idle: timedelta = IDLE,
        oldest: timedelta = OLDEST,
    ) -> None:
        self._file, self._now = file, now
        self._sessions = Sessions(now, idle, oldest)
        self._by_account = Waits(FREE_OF_ACCOUNT, FIRST_WAIT, LONGEST_WAIT, clock)
        self._by_address = Waits(FREE_OF_ADDRESS, FIRST_WAIT, LONGEST_WAIT, clock)
        self._lock = threading.Lock()
        self._trouble = ""

    def log_in(self, name: str, password: str, address: str) -> str:
        """The id of a new session. It takes a quarter of a second, whether or not there is such an account.

        Raises:
            NotLetIn: name or password is wrong, which is not told apart, or it was tried too often.
        """
        with self._lock:
            wait = max(self._by_address.left(address), self._by_account.left(name))
            if not wait:
                self._by_address.attempt(address)
                self._by_account.attempt(name)
        if wait:
            log.warning("log_in_refused", cause="too many attempts", address=address, wait=math.ceil(wait))
            raise NotLetIn(f"too many attempts: try again in {math.ceil(wait)} s", math.ceil(wait))
        account = self._accounts().account(name)
        if not fits(account.password if account else NOBODYS, password) or account is None:
            log.warning("log_in_refused", cause="wrong name or password", address=address)
            raise NotLetIn("name or password is wrong")
        with self._lock:
            self._by_account.forgive(name)
            self._by_address.refund(address)
            session = self._sessions.begin(account)
        log.info("logged_in", account=name, address=address)
        return session

    def knows(self, name: str) -> bool:
        """Whether there is an account of that name, so that it may be written down."""
        return self._accounts().account(name) is not None

    def log_out(self, session: str) -> None:
        """The session is over, wherever it is open."""
        with self._lock:
            self._sessions.end(session)

    def in_session(self, session: str, *, use: bool) -> Who | None:
        """Who is in a session; ``use``: they do something, so that it goes on."""
        accounts = self._accounts()
        with self._lock:
            account = self._sessions.account(session, use=use)
            if account is None:
                return None
            if accounts.account(account.name) != account:
                self._sessions.end(session)
                return None
        return account.who

    def with_token(self, authorization: str) -> Who | None:
        """Who shows a token in an ``Authorization`` header."""
        token = token_of(authorization, self._accounts().tokens, self._now())
        return None if token is None else token.who

    def _accounts(self) -> Accounts:
        """Everybody; nobody while the file cannot be trusted, which is logged once."""
        try:
            accounts = self._file.read()
        except AccountsError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error("nobody_is_let_in", cause=self._trouble)
            return Accounts()
        self._trouble = ""
        return accounts
