"""A real SMTP server that keeps what it takes, and answers as it is told."""

from __future__ import annotations

import email
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from connectors.services.ports import free_ports


@dataclass
class MailServer:
    """``mails`` are those it took; ``answers`` what it says to one, by its text; ``recipient`` to who it is for."""

    port: int = field(default_factory=lambda: free_ports(1)[0])
    tls: ssl.SSLContext | None = None
    from_first_byte: bool = False
    user: tuple[str, str] | None = None
    mails: list[EmailMessage] = field(default_factory=list)
    to: list[list[str]] = field(default_factory=list)
    answers: Callable[[EmailMessage], str] = lambda _: "250 taken"
    recipient: Callable[[str], str] = lambda _: "250 taken"

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: Any) -> str:
        answer = self.recipient(address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        mail = email.message_from_bytes(content, policy=default)
        assert isinstance(mail, EmailMessage)
        answer = self.answers(mail)
        if answer.startswith("250"):
            self.mails.append(mail)
            self.to.append(list(envelope.rcpt_tos))
        return answer

    def authenticated(self, _: Any, __: Any, ___: Any, ____: Any, said: Any) -> AuthResult:
        right = (said.login.decode(), said.password.decode()) == self.user
        return AuthResult(success=right, handled=right)

    @contextmanager
    def up(self) -> Iterator[None]:
        """It answers."""
        asks = {"authenticator": self.authenticated, "auth_required": True} if self.user else {}
        tls = {"ssl_context": self.tls} if self.from_first_byte else {"tls_context": self.tls}
        required = {"require_starttls": True} if self.tls and not self.from_first_byte else {}
        plain = {"auth_require_tls": False} if self.from_first_byte else {}
        controller = Controller(self, "127.0.0.1", self.port, ready_timeout=60, **asks, **tls, **required, **plain)
        controller.start()
        try:
            yield
        finally:
            controller.stop()
