"""Alerts by e-mail: one mail a patient and batch, in plain text, with what to check or do.

The Message-ID follows from the alerts, so that a mail that is sent again is known as the same; mails about one patient
are one thread. Pseudonyms alone stand in a mail. What waited for the end of quiet hours or of a flood is one mail.
Where it is wanted, a mail a day says that everybody is there.
"""

from __future__ import annotations

import re
import smtplib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import structlog
from pydantic import Field, field_validator

from connectors.kafka.topics import ALERTS
from connectors.services.ports import LOCAL_HOSTS, parted
from connectors.settings import Settings as Surroundings
from connectors.sinks.telling.heartbeat import Heart, StillHere, clock_time, daily, workers_of
from connectors.sinks.telling.message import Message, counted
from connectors.sinks.telling.pace import urgent
from connectors.sinks.telling.quiet_hours import zone_named
from connectors.sinks.telling.settings import SubscriberSettings
from connectors.sinks.telling.subscriber import Subscriber, utc_now
from connectors.sinks.writer import AccessDenied, BadItem, Unavailable
from connectors.tls import client_tls
from twin.events import Alert, event_id
from twin.writing import duration

SINK = "email"

TOPICS = (ALERTS,)

TIMEOUT_SECONDS = 15.0
"""Longest wait for each of the server's answers."""

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
"""An address without name, comment or quotation."""

_FOOT = ("-- ", "dosetwin: decision support for research; nothing here commands a pump.", "")

log = structlog.get_logger(__name__)


class Settings(SubscriberSettings, env_prefix="DOSETWIN_EMAIL_"):
    """Which server sends, from whom and to whom."""

    server: str = Field("127.0.0.1:587", description="host:port of the server that sends")
    security: Literal["starttls", "tls", "plain"] = Field(
        "starttls", description="starttls, tls from the first byte (port 465), or plain on this machine alone"
    )
    username: str = Field("", description="user at that server; none where it asks for nobody")
    password: str = Field("", repr=False, description="of that user")
    sender: str = Field(description="address that mails are from")
    recipients: str = Field(min_length=1, description="addresses that mails go to, with commas between them")
    authority: Path | None = Field(None, description="PEM file of the server's authority, if not one of the system's")
    heartbeat_at: str = Field(
        "", description="time of day, as 07:00 by the zone, of a mail that says that all workers live; none without it"
    )

    @field_validator("heartbeat_at")
    @classmethod
    def _time_of_day(cls, value: str) -> str:
        if value:
            clock_time(value)
        return value

    @field_validator("server")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        parted(value)
        return value

    @field_validator("sender", "recipients")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for address in _parts(value):
            if not ADDRESS.fullmatch(address):
                raise ValueError(f"{address!r} is no address; write ward@hospital.example, several with commas")
        return value


@contextmanager
def open_writer(
    settings: Settings, surroundings: Surroundings | None = None, now: Callable[[], datetime] = utc_now
) -> Iterator[Mail]:
    """A writer to the recipients of ``settings``; their server need not be up yet. ``now`` gives the time (UTC).

    Raises:
        ValueError: mail would go to another machine in the clear, or the authority cannot be read.
    """
    if settings.security == "plain" and parted(settings.server)[0] not in LOCAL_HOSTS:
        raise ValueError(f"{settings.variable('security')}=plain: mail would go in the clear; use starttls or tls")
    writer = Mail(settings, now)
    if settings.heartbeat_at and surroundings is not None:
        due = daily(clock_time(settings.heartbeat_at), zone_named(settings.zone))
        look = partial(workers_of, surroundings)
        writer.heart = Heart(due, look, writer.say_still_here, now, at_once=False)
    yield writer


class Mail(Subscriber):
    """Connects for each mail; ``now`` gives its date."""

    together: ClassVar[Literal["no", "patient", "all"]] = "patient"

    def __init__(self, settings: Settings, now: Callable[[], datetime] = utc_now) -> None:
        super().__init__(settings, now)
        self._settings, self._clock = settings, now
        tls = client_tls(True, settings.authority, None, None)
        self._tls = tls.context if tls is not None else None
        self._left: dict[str, list[str]] = {}

    def send(self, message: Message) -> None:
        """Hand one mail to the server; those of the recipients who have it are not sent it again."""
        self._hand_over(written(message, self._settings, self._clock()), message.message_id)

    def say_still_here(self, still: StillHere) -> None:
        """Hand over a mail that says so, once a day."""
        self._hand_over(still_here(still, self._settings), f"heartbeat {still.time:%Y-%m-%d}")

    def _hand_over(self, mail: EmailMessage, message_id: str) -> None:
        left = self._left.setdefault(message_id, _parts(self._settings.recipients))
        try:
            with self._connected() as server:
                refused = server.send_message(mail, self._settings.sender, left)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except smtplib.SMTPDataError as error:
            self._unless_later(error.smtp_code, "the mail")
            raise BadItem(f"SMTP {error.smtp_code}: {_one_line(error.smtp_error)}") from None
        except (smtplib.SMTPAuthenticationError, smtplib.SMTPSenderRefused) as error:
            self._unless_later(error.smtp_code, "us")
            mend = "check sender, user and password"
            raise AccessDenied(f"SMTP {error.smtp_code}: the server does not let us send: {mend}") from None
        except smtplib.SMTPNotSupportedError as error:
            raise AccessDenied(f"{error}: check the server's address, and security and user") from None
        except (smtplib.SMTPException, OSError) as error:  # ssl.SSLError is one
            raise Unavailable(f"{type(error).__name__}: {_one_line(str(error))}") from None
        self._judge(message_id, {name: code for name, (code, _) in refused.items()})

    def _judge(self, message_id: str, refused: dict[str, int]) -> None:
        """What became of the recipients: who may take it later is left, who never will is named once."""
        never = {name: code for name, code in refused.items() if code >= 500}
        later = [name for name in refused if name not in never]
        if never and len(never) == len(_parts(self._settings.recipients)):
            raise AccessDenied("the server takes mail for none of the recipients: check them")
        if never:
            log.warning("the server takes no mail for some recipients: check them", codes=sorted(never.values()))
        if later:
            self._left[message_id] = later
            raise Unavailable("the server takes mail for some recipients later")
        del self._left[message_id]

    def _unless_later(self, code: int, what: str) -> None:
        if code < 500:
            raise Unavailable(f"SMTP {code}: the server takes {what} later")

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        host, port = parted(self._settings.server)
        us = socket.gethostname()
        if self._settings.security == "tls":
            assert self._tls is not None
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, us, timeout=TIMEOUT_SECONDS, context=self._tls)
        else:
            server = smtplib.SMTP(host, port, us, timeout=TIMEOUT_SECONDS)
        try:
            if self._settings.security == "starttls":
                server.starttls(context=self._tls)
            if self._settings.username:
                server.login(self._settings.username, self._settings.password)
            yield server
            with suppress(smtplib.SMTPException, OSError):  # the mail is taken: how they part is no matter
                server.quit()
        finally:
            server.close()


def written(message: Message, settings: Settings, date: datetime) -> EmailMessage:
    """The mail of a message; no header holds what was not made plain."""
    domain = settings.sender.partition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = settings.sender, ", ".join(_parts(settings.recipients))
    mail["Subject"] = subject(message)
    mail["Date"] = format_datetime(date)
    mail["Message-ID"] = f"<{message.message_id}@{domain}>"
    if len(message.patients) == 1:
        mail["References"] = f"<{event_id('thread', message.patients[0])}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    if any(alert.live and urgent(alert) for alert in message.newest):
        mail["Importance"], mail["X-Priority"] = "high", "1"
    mail.set_content(body(message), charset="utf-8", cte="quoted-printable")
    return mail


def still_here(still: StillHere, settings: Settings) -> EmailMessage:
    """The mail that says that everybody is there; who does not get it at its time of day knows that somebody is not."""
    domain, workers = settings.sender.partition("@")[2], still.workers
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = settings.sender, ", ".join(_parts(settings.recipients))
    mail["Subject"] = f"[dosetwin] Still here: {still.told} alerts told since the last such mail"
    mail["Date"] = format_datetime(still.time)
    mail["Message-ID"] = f"<{event_id('heartbeat', settings.sender, f'{still.time:%Y-%m-%d}')}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    behind = f", the newest one read {duration(workers.behind_seconds / 3600, 'h')} old" if workers.lag else ""
    lines = [
        f"All {workers.partitions} partitions have a worker that lives; {workers.lag} records wait{behind}.",
        f"Twins that take nothing any more (sealed): {workers.sealed}.",
        "",
        "If no such mail comes at this time of day, somebody between the patients and you is not there:",
        "see 'dosetwin doctor'.",
    ]
    mail.set_content("\n".join([*lines, *_FOOT]), charset="utf-8", cte="quoted-printable")
    return mail


def subject(message: Message) -> str:
    """One line: whom it is about, and how severe."""
    newest = message.newest
    if message.summary:
        return f"[dosetwin] Summary: {len(newest)} alerts of {len(message.patients)} patients"
    standing = [alert for alert in newest if alert.live]
    what = counted(standing) if standing else "over"
    rules = ", ".join(dict.fromkeys(alert.rule for alert in newest))
    return _one_line(f"[dosetwin] {message.patients[0]}: {what}: {rules}")[:200]


def body(message: Message) -> str:
    """The last word on each alert, patient by patient."""
    lines = ["These alerts waited for the end of quiet hours or of a flood.", ""] if message.summary else []
    for patient in message.patients:
        lines += [f"Patient {patient}", ""]
        lines += [line for alert in message.newest if alert.patient_id == patient for line in _told(alert)]
    return "\n".join([*lines, *_FOOT])


def _told(alert: Alert) -> list[str]:
    since = f"since {alert.onset:%Y-%m-%d %H:%MZ}"
    lines = [f"{alert.severity.upper()} {alert.rule}: {alert.state} {since}, told at {alert.time:%Y-%m-%d %H:%MZ}"]
    lines.append(f"  {_one_line(alert.text)}")
    if alert.advice and alert.live:
        lines.append(f"  What to do: {_one_line(alert.advice)}")
    known = []
    if alert.probability is not None:
        horizon = f" within {duration(alert.horizon_hours, 'h')}" if alert.horizon_hours is not None else ""
        known.append(f"probability {alert.probability:.0%}{horizon}")
    if alert.freshness_hours is not None:
        known.append(f"newest measurement {duration(alert.freshness_hours, 'h')} old")
    if known:
        lines.append(f"  {', '.join(known)}")
    return [*lines, f"  alert {_one_line(alert.alert_id)}, revision {alert.revision}", ""]


def _one_line(said: str | bytes) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _parts(addresses: str) -> list[str]:
    return [address.strip() for address in addresses.split(",")]
