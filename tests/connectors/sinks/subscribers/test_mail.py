"""Alerts by e-mail through a real server: one mail a patient, no header of anybody else's, none lost, none twice."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.settings import SettingsError, load_settings
from connectors.sinks.subscribers.mail import Settings, open_writer, written
from connectors.sinks.telling.message import Message
from connectors.sinks.telling.pace import Notice
from connectors.sinks.writer import AccessDenied, BadItem, Unavailable
from tests.connectors.listeners.certificates import make_certificates
from tests.connectors.sinks.subscribers.mail_server import MailServer
from tests.connectors.sinks.telling.told import NOON, OVER, alert
from twin.events import Alert, Subject

HERE = {"sender": "twin@ward.example", "recipients": "doctor@ward.example, nurse@ward.example"}

PLAIN = written(Message((alert(severity="high"),)), Settings(**HERE), NOON)


@pytest.fixture
def server() -> Iterator[MailServer]:
    server = MailServer()
    with server.up():
        yield server


def told(server: MailServer, *alerts: Alert, **given: Any) -> None:
    its = Settings(**HERE | {"server": f"127.0.0.1:{server.port}", "security": "plain"} | given)
    with open_writer(its) as writer:
        writer.write([Notice(one, NOON) for one in alerts])


def test_a_mail_tells_of_one_patient_what_stands_and_what_to_do(server: MailServer) -> None:
    grave = alert(severity="high", text="Grade 4 neutropenia ≥ 62%", advice="Take a full blood count.")
    told(server, grave, alert("P-2"), alert(rule="tox.y"))
    assert [mail["Subject"] for mail in server.mails] == [
        "[dosetwin] P-1: 1 high, 1 low: tox.x, tox.y",
        "[dosetwin] P-2: 1 low: tox.x",
    ]
    first, second = server.mails
    assert server.to == [["doctor@ward.example", "nurse@ward.example"]] * 2
    assert (first["Importance"], second["Importance"]) == ("high", None)
    said = first.get_content()
    assert "HIGH tox.x: active since 2026-01-05 12:00Z" in said
    assert "Grade 4 neutropenia ≥ 62%" in said
    assert "What to do: Take a full blood count." in said
    assert "P-2" not in said
    assert second["Message-ID"] == f"<{alert('P-2').event_id}@ward.example>"
    assert first["References"] != second["References"]


def test_what_is_over_says_so_and_a_summary_tells_of_all(server: MailServer) -> None:
    told(server, alert(revision=1, phase=OVER))
    assert server.mails[0]["Subject"] == "[dosetwin] P-1: over: tox.x"
    mail = written(Message((alert(), alert("P-2")), summary=True), Settings(**HERE), NOON)
    assert mail["Subject"] == "[dosetwin] Summary: 2 alerts of 2 patients"
    assert mail.get_content().index("Patient P-1") < mail.get_content().index("Patient P-2")


@settings(max_examples=20)
@given(st.text(max_size=60), st.text(min_size=1, max_size=60), st.text(max_size=60))
def test_nothing_that_an_alert_says_becomes_a_header(text: str, identity: str, name: str) -> None:
    hostile = "\r\nBcc: all@evil.example\r\n\r\n.\r\n"
    one = alert(
        severity="high", text=text + hostile, advice=hostile + text, event_id=(identity + hostile)[:128],
        alert_id=(hostile + identity)[:128], subject=Subject("device", name + hostile),
    )  # fmt: skip
    mail = written(Message((one,)), Settings(**HERE), NOON)
    assert mail.keys() == PLAIN.keys()
    head = mail.as_bytes().partition(b"\r\n\r\n")[0]
    assert b"evil" not in head
    assert all(line.startswith((b" ", *(f"{name}:".encode() for name in PLAIN))) for line in head.split(b"\r\n"))


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("554 no such content", BadItem),
        ("552 too large", BadItem),
        ("451 later", Unavailable),
        ("421 away", Unavailable),
    ],
)
def test_what_the_server_says_to_a_mail_decides(server: MailServer, said: str, means: type[Exception]) -> None:
    server.answers = lambda _: said
    with pytest.raises(means) as error:
        told(server, alert())
    assert type(error.value) is means


def test_recipients_who_are_busy_are_asked_again_alone(server: MailServer) -> None:
    server.recipient = lambda address: "450 busy" if address.startswith("nurse") else "250 taken"
    its = Settings(**HERE, server=f"127.0.0.1:{server.port}", security="plain")
    with open_writer(its) as writer:
        notices = [Notice(alert(), NOON)]
        with pytest.raises(Unavailable, match="some recipients later"):
            writer.write(notices)
        server.recipient = lambda _: "250 taken"
        writer.write(notices)
    assert server.to == [["doctor@ward.example"], ["nurse@ward.example"]]


def test_recipients_whom_nobody_knows_are_no_fault_of_the_alert(server: MailServer) -> None:
    server.recipient = lambda _: "550 unknown"
    with pytest.raises(AccessDenied, match="none of the recipients: check them"):
        told(server, alert())
    server.recipient = lambda address: "550 unknown" if address.startswith("nurse") else "250 taken"
    told(server, alert())
    assert server.to == [["doctor@ward.example"]]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it has TLS before, and does not know
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_is_proven_before_the_password_is_said(tmp_path: Path, security: str) -> None:
    folder = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    server = MailServer(tls=context, from_first_byte=security == "tls", user=("twin", "hush"))
    with server.up():
        with pytest.raises(Unavailable, match="certificate verify failed"):
            told(server, alert(), security=security, username="twin", password="hush")
        with pytest.raises(AccessDenied, match="check sender, user and password"):
            told(server, alert(), security=security, username="twin", password="x", authority=folder / "ward.pem")
        told(server, alert(), security=security, username="twin", password="hush", authority=folder / "ward.pem")
    assert len(server.mails) == 1


def test_a_server_that_is_away_or_offers_no_tls_is_waited_for(server: MailServer) -> None:
    with pytest.raises(Unavailable, match="ConnectionRefusedError"):
        told(MailServer(port=1), alert())
    with pytest.raises(AccessDenied, match="STARTTLS extension not supported"):
        told(server, alert(), security="starttls")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"recipients": "doctor@ward.example\r\nBcc: x"}, "is no address; write ward@hospital.example"),
        ({"recipients": ""}, "DOSETWIN_EMAIL_RECIPIENTS"),
        ({"sender": "The Ward <ward@one.example>"}, "is no address"),
        ({"server": "mail"}, "DOSETWIN_EMAIL_SERVER='mail'"),
        ({"security": "none"}, "DOSETWIN_EMAIL_SECURITY='none'"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(Settings, **HERE | given)


def test_mail_goes_in_the_clear_on_this_machine_alone() -> None:
    its = Settings(**HERE, server="mail.example:25", security="plain", password="hush")
    said = "DOSETWIN_EMAIL_SECURITY=plain: mail would go in the clear"
    with pytest.raises(ValueError, match=said), open_writer(its):
        pass
