"""Keys of servers in containers: who may read them, what stays, and what is missing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from streams.cli import app
from streams.key_folders import admit_all, make_keys
from streams.roles import NoKeys


def test_keys_are_shut_to_everybody_and_passwords_stay(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made = CliRunner().invoke(app, ["services", "keys", str(folder), "--host", "broker.example"])
    assert (made.exit_code, made.stdout.startswith(f"keys: {folder}; docker compose --env-file ")) == (0, True)
    assert (folder / "compose.env").read_text().splitlines()[0] == f"DOSETWIN_KEYS={folder}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "authority").stat().st_mode) == 0o700
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "authority"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o640}
    before = (folder / "feed" / "password").read_text()
    certificate = (folder / "kafka" / "broker.pem").read_text()
    make_keys(folder)
    assert (folder / "feed" / "password").read_text() == before
    assert (folder / "kafka" / "broker.pem").read_text() != certificate


def test_roles_without_keys_and_servers_without_names_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoKeys, match="set DOSETWIN_KAFKA and DOSETWIN_INFLUX_URL"):
        admit_all(tmp_path)
    for name, value in (("KAFKA", "127.0.0.1:1"), ("INFLUX_URL", "http://127.0.0.1:2"), ("INFLUX_TOKEN", "x")):
        monkeypatch.setenv(f"DOSETWIN_{name}", value)
    with pytest.raises(NoKeys, match=f"{tmp_path} has no password of feed: dosetwin services keys"):
        admit_all(tmp_path)


def test_the_broker_is_known_by_its_name_in_the_containers_and_by_those_that_are_given(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", ("broker.example",))
    certificate = x509.load_pem_x509_certificate((tmp_path / "keys" / "kafka" / "broker.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "kafka", "broker.example"]
