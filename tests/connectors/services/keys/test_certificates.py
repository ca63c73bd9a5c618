"""An authority of a clone's own: made once, its keys nobody else's, its certificates good for this machine alone."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.services.keys.certificates import authority, issue, operator_options, operator_settings
from connectors.tls import certified_until


def shaken(keys: Path, other: Path, name: str) -> str:
    """The version of TLS between a server with keys of ``keys`` and a client who trusts ``other``'s authority."""
    server, client = (ssl.SSLContext(kind) for kind in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
    server.load_cert_chain(issue(keys, "broker"))
    client.load_verify_locations(authority(other))
    one, two = socket.socketpair()
    with one, two:
        answering = threading.Thread(target=lambda: _answer(server, one))
        answering.start()
        try:
            with client.wrap_socket(two, server_hostname=name) as spoken:
                return str(spoken.version())
        finally:
            two.close()
            answering.join(10)


def _answer(server: ssl.SSLContext, one: socket.socket) -> None:
    try:
        server.wrap_socket(one, server_side=True).close()
    except OSError:  # whoever asked hung up
        one.close()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_broker_is_known_by_the_addresses_of_this_machine(name: str, tmp_path: Path) -> None:
    assert shaken(tmp_path, tmp_path, name) == "TLSv1.3"


def test_a_broker_is_nobody_elsewhere_and_nobody_to_another_authority(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shaken(tmp_path, tmp_path, "kafka.ward")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|local issuer"):
        shaken(tmp_path / "one", tmp_path / "two", "localhost")


def test_the_authority_is_made_once_and_certificates_are_made_anew(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    ours, first = authority(keys).read_bytes(), issue(keys, "operator").read_bytes()
    assert authority(keys).read_bytes() == ours
    assert issue(keys, "operator").read_bytes() != first
    assert {path.stat().st_mode & 0o777 for path in keys.iterdir()} == {0o600}
    assert keys.stat().st_mode & 0o777 == 0o700
    assert certified_until(keys / "operator.pem") > datetime.now(UTC) + timedelta(days=390)


def test_the_operator_enters_by_certificate_where_the_server_is_locked(tmp_path: Path) -> None:
    authority(tmp_path)
    issue(tmp_path, "operator")
    found = operator_options(operator_settings(tmp_path))
    assert found["security_protocol"] == "SSL"
    assert found["ssl_context"].minimum_version == ssl.TLSVersion.TLSv1_3
    assert operator_options({"kafka": "127.0.0.1:9092"}) == {}
