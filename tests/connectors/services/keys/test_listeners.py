"""Where Kafka listens: in the clear as before, or locked, with no secret in its configuration."""

from __future__ import annotations

from pathlib import Path

from connectors.services.keys.listeners import listeners


def test_an_open_server_needs_no_keys(tmp_path: Path) -> None:
    assert "listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2\n" in listeners(1, 2, None, tmp_path / "keys")
    assert not (tmp_path / "keys").exists()


def test_a_locked_server_listens_by_tls_alone_and_its_configuration_has_no_password(tmp_path: Path) -> None:
    lines = dict(line.split("=", 1) for line in listeners(1, 2, 3, tmp_path / "keys").splitlines())
    assert "PLAINTEXT" not in " ".join(lines.values())
    assert lines["ssl.enabled.protocols"] == "TLSv1.3"
    assert lines["super.users"] == "User:broker;User:operator"
    assert lines["listener.name.users.scram-sha-512.sasl.jaas.config"].endswith("ScramLoginModule required;")
    assert Path(lines["ssl.keystore.location"]).read_text().startswith("-----BEGIN PRIVATE KEY-----")
