"""Log-in and log-out through a provider: a browser is sent there and comes back; the provider ends sessions.

Of the provider's return is taken only what this browser began (state), was made by this provider (issuer), and is told
by the provider itself for the code (PKCE, nonce). Each state is good for one log-in, and each logout token once.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode

import structlog

from connectors.access.doorkeeper import Doorkeeper, NotLetIn
from connectors.access.oidc.holders import NoName, NoRole, holder_of, is_all_told
from connectors.access.oidc.provider import Provider, ProviderError
from connectors.access.oidc.requests import LASTS, Begun, Requests
from connectors.access.oidc.settings import OidcSettings
from connectors.access.oidc.signed_tokens import OLDEST_LOGOUT, BadToken, Expected, id_token, logout_token
from connectors.access.sessions import Outside

MOST_REMEMBERED = 20_000
"""States and logout tokens that were used: more in their time are refused."""

Kind = Literal["again", "cancelled", "provider", "name", "role"]

log = structlog.get_logger(__name__)


class Refused(ValueError):
    """No log-in: ``again``, it was not begun in this browser or lately; ``cancelled`` at the provider; ``provider``, it
    does not answer as it must; ``name`` or ``role``, who it tells of is nobody here.
    """

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.kind: Kind = kind


class ProviderLogIn:
    """Of one console; ``now`` is the time."""

    def __init__(
        self,
        settings: OidcSettings,
        keeper: Doorkeeper,
        provider: Provider | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings, self.provider = settings, provider or Provider(settings)
        self._keeper, self._now = keeper, now
        self._requests = Requests(now)
        self._expected = Expected(settings.issuer, settings.client_id, settings.skew_seconds)
        self._states = _Once(LASTS.total_seconds())
        self._logouts = _Once(OLDEST_LOGOUT + 2 * settings.skew_seconds)

    def begin(self) -> tuple[str, str]:
        """Where a browser is sent, and what it keeps meanwhile. Raises `Refused`."""
        begun = self._requests.begin()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.callback,
            "scope": self.settings.scopes,
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": begun.challenge,
            "code_challenge_method": "S256",
        }
        try:
            return _with(self.provider.about().authorization_endpoint, asked), begun.cookie
        except ProviderError as error:
            raise _refused("provider", str(error), "") from None

    def finish(self, answer: Mapping[str, str], cookie: str, address: str) -> str:
        """The id of a new session, for what a browser brings back. Raises `Refused`."""
        begun = self._requests.of(cookie, answer.get("state", ""))
        if begun is None:
            raise _refused("again", "it was not begun in this browser, or too long ago", address)
        try:
            self._is_from_provider(answer)
            if "error" in answer:
                raise _refused("cancelled", "the provider let nobody in", address)
            claims, token = self._claims(answer.get("code", ""), begun)
            if not self._states.take(begun.state):
                raise _refused("again", "this log-in has been used", address)
            outside = Outside(self.settings.issuer, claims["sub"], _session(claims), token)
            return self._keeper.let_in(holder_of(claims, self.settings), outside, address)
        except (ProviderError, BadToken) as error:
            raise _refused("provider", str(error), address) from None
        except (NoName, NotLetIn) as error:
            raise _refused("name", str(error), address) from None
        except NoRole as error:
            raise _refused("role", str(error), address) from None

    def end(self, text: str) -> tuple[str, ...]:
        """Whose sessions have ended by a logout token, each session by its holder's name.

        Raises:
            BadToken: it is none, or has been used.
            ProviderError: its key cannot be asked for now.
        """
        said = logout_token(text, self.provider.keys.key, self._expected, self._now().timestamp())
        if not self._logouts.take(said.token_id):
            raise BadToken("it has been used")
        ended = self._keeper.end_outside(self.settings.issuer, said.subject, said.session)
        log.info("logged_out_by_provider", sessions=len(ended))
        return ended

    def leave(self, session: str) -> str | None:
        """Where a browser is sent that logs out, so that the provider does too; None where it need not."""
        outside = self._keeper.outside(session)
        if outside is None:
            return None
        try:
            address = self.provider.about().end_session_endpoint
        except ProviderError:
            return None
        back = {"post_logout_redirect_uri": f"{self.settings.console}/login", "client_id": self.settings.client_id}
        return _with(address, {"id_token_hint": outside.token} | back) if address else None

    def _is_from_provider(self, answer: Mapping[str, str]) -> None:
        """Whether it is this provider's answer, where it says whose it is (RFC 9207). Raises `BadToken`."""
        issuer = answer.get("iss")
        must = self.provider.about().authorization_response_iss_parameter_supported
        if issuer != self.settings.issuer and (issuer is not None or must):
            raise BadToken("the answer is another provider's")

    def _claims(self, code: str, begun: Begun) -> tuple[Mapping[str, Any], str]:
        """All that is told of who logged in, and the ID token."""
        if not code:
            raise BadToken("the answer has no code")
        given = self.provider.tokens(code, begun.verifier)
        now = self._now().timestamp()
        claims = id_token(given.id_token, self.provider.keys.key, self._expected, begun.nonce, now)
        if not is_all_told(claims, self.settings):
            claims = {**self.provider.told(given.access_token, claims["sub"]), **claims}
        return claims, given.id_token


class _Once:
    """What may be taken once within some seconds, and never where too much was."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._lock = seconds, threading.Lock()
        self._taken: OrderedDict[str, float] = OrderedDict()

    def take(self, text: str) -> bool:
        now = time.monotonic()
        with self._lock:
            while self._taken and now - next(iter(self._taken.values())) > self._seconds:
                self._taken.popitem(last=False)
            if text in self._taken or len(self._taken) >= MOST_REMEMBERED:
                return False
            self._taken[text] = now
            return True


def _refused(kind: Kind, cause: str, address: str) -> Refused:
    log.warning("log_in_refused", cause=cause, address=address, by="provider")
    return Refused(kind)


def _session(claims: Mapping[str, Any]) -> str | None:
    session = claims.get("sid")
    return session if isinstance(session, str) and session else None


def _with(address: str, fields: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(fields)}"
