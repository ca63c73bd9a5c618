"""Why a broker does not let somebody in, put into words with the mend; real brokers refuse in the door matrix."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from aiokafka import errors

from connectors.kafka.access.entry import KafkaAccess
from connectors.kafka.access.refusal import Refusal, explained, refusal
from connectors.settings import load_settings

WORKER = load_settings(
    KafkaAccess, protocol="SASL_SSL", user="worker", password_file=Path("/k/worker"), ca=Path("/k/ca")
)


def certificate_error(message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError()
    error.verify_message = message
    return error


@pytest.mark.parametrize(
    ("error", "seen", "mend"),
    [
        (
            errors.SaslAuthenticationFailed(),
            "user 'worker' or the password in /k/worker",
            "DOSETWIN_KAFKA_PASSWORD_FILE",
        ),
        (errors.UnsupportedSaslMechanismError(), "no password by SCRAM-SHA-512", "DOSETWIN_KAFKA_MECHANISM"),
        (errors.IllegalSaslStateError(), "asks for no password", "DOSETWIN_KAFKA_PROTOCOL=SSL"),
        (certificate_error("unable to get local issuer certificate"), "DOSETWIN_KAFKA_CA=/k/ca", "own authority"),
        (certificate_error("IP address mismatch"), "of another server", "the name that stands in the certificate"),
        (certificate_error("certificate has expired"), "has ended", "renew the server's certificate"),
        (TimeoutError(), "said nothing in 5 s", "look at the listeners of the broker"),
        (ConnectionResetError(), r"ended the connection (ConnectionResetError)", "may want a certificate"),
    ],
)
def test_what_ended_a_connection_has_its_words_and_its_mend(error: Exception, seen: str, mend: str) -> None:
    found = explained(error, WORKER)
    assert seen in found.seen
    assert mend in found.mend
    assert not found.absent


def test_where_nobody_is_nobody_refuses() -> None:
    assert refusal("127.0.0.1:1,127.0.0.1:2", load_settings(KafkaAccess)) == Refusal("no connection", "", absent=True)


def test_a_real_broker_lets_us_in(kafka: str) -> None:
    assert refusal(f"127.0.0.1:1,{kafka}", load_settings(KafkaAccess)) is None
