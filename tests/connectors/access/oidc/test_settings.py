"""What is said of a provider: what is wrong is named, with its mend, and no secret is ever shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.access.oidc.settings import MOST_GROUPS, OidcSettings, is_safe, oidc_settings
from connectors.settings import SettingsError

GROUPS = {"nurses": {"role": "clinician", "patients": "W3-*"}}
SAID = {
    "DOSETWIN_OIDC_ISSUER": "https://login.example/realms/wards",
    "DOSETWIN_OIDC_CONSOLE": "https://ward.example/",
    "DOSETWIN_OIDC_CLIENT_ID": "dosetwin",
    "DOSETWIN_OIDC_CLIENT_SECRET": "s3cret",
    "DOSETWIN_OIDC_GROUPS": json.dumps(GROUPS),
}


def read(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> OidcSettings | None:
    for name, value in (SAID | changes).items():
        monkeypatch.setenv(name, str(value))
    return oidc_settings()


def test_where_nothing_is_said_there_is_no_provider() -> None:
    assert oidc_settings() is None


def test_what_is_said_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    said = read(monkeypatch)
    assert said is not None
    assert (said.callback, said.place, said.secret) == ("https://ward.example/oidc/callback", "ward.example", "s3cret")
    assert {name: group.model_dump() for name, group in said.groups.items()} == GROUPS
    assert "s3cret" not in repr(said)


def test_a_secret_stands_in_a_file_and_is_read_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("first\n")
    path.chmod(0o600)
    said = read(monkeypatch, DOSETWIN_OIDC_CLIENT_SECRET="", DOSETWIN_OIDC_CLIENT_SECRET_FILE=path)
    assert said is not None
    assert said.secret == "first"
    path.write_text("second")
    assert said.secret == "second"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("ISSUER", "", "DOSETWIN_OIDC_ISSUER is not set, and it must be"),
        ("ISSUER", "http://login.example", "DOSETWIN_OIDC_ISSUER='http://login.example': .*write https://"),
        ("ISSUER", "https://login.example?x=1", "without blanks, user"),
        ("CONSOLE", "ward.example", "write https://"),
        ("CONSOLE", "https://a@ward.example", "without blanks, user"),
        ("CLIENT_ID", "", "DOSETWIN_OIDC_CLIENT_ID is not set"),
        ("SCOPES", "profile", "must have openid among them"),
        ("SKEW_SECONDS", "3600", "DOSETWIN_OIDC_SKEW_SECONDS='3600': .*less than or equal to 300"),
        ("CA", "/nowhere.pem", "DOSETWIN_OIDC_CA=.*name the PEM file"),
        ("GROUPS", "nurses=clinician", "DOSETWIN_OIDC_GROUPS='nurses=clinician': .*write JSON such as"),
        ("GROUPS", "{}", "has 0 groups"),
        ("GROUPS", json.dumps({f"g{n}": GROUPS["nurses"] for n in range(MOST_GROUPS + 1)}), "has 501 groups"),
        ("GROUPS", json.dumps({f"g{n}": {"role": "viewer", "patients": "P" * 990} for n in range(5)}), "wider ones"),
        ("GROUPS", '{"nurses": {"role": "nurse", "patients": "*"}}', "field 'nurses.role': .*'viewer', 'clinician'"),
        ("GROUPS", '{"nurses": {"role": "viewer"}}', "field 'nurses.patients': Field required"),
        ("GROUPS", '{"nurses": {"role": "viewer", "patients": " , "}}', "field 'nurses.patients': no pattern"),
        ("GROUPS", '{"nurses": {"role": "viewer", "patients": "*", "x": 1}}', "field 'nurses.x'"),
        ("CLIENT_SECRET_FILE", __file__, "CLIENT_SECRET is set too"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_mend(
    monkeypatch: pytest.MonkeyPatch, field: str, value: str, says: str
) -> None:
    with pytest.raises(SettingsError, match=f"^log-in through a provider: .*{says}") as caught:
        read(monkeypatch, **{f"DOSETWIN_OIDC_{field}": value})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "mode", "says"),
    [(b"x", 0o644, "everybody may read it: chmod 600"), (b" \n", 0o600, "is empty"), (b"\xff", 0o600, "is no text")],
)
def test_a_file_of_a_secret_is_of_its_user_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, raw: bytes, mode: int, says: str
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(raw)
    path.chmod(mode)
    changes = {"DOSETWIN_OIDC_CLIENT_SECRET": "", "DOSETWIN_OIDC_CLIENT_SECRET_FILE": path}
    with pytest.raises(SettingsError, match=f"DOSETWIN_OIDC_CLIENT_SECRET_FILE=.*{says}"):
        read(monkeypatch, **changes)
    with pytest.raises(SettingsError, match="No such file"):
        read(monkeypatch, **(changes | {"DOSETWIN_OIDC_CLIENT_SECRET_FILE": tmp_path / "no"}))


def test_what_is_sent_can_be_read_by_nobody_on_the_way() -> None:
    assert all(map(is_safe, ("https://a", "http://127.0.0.1:9", "http://localhost")))
    assert not any(map(is_safe, ("http://a", "https://", "ftp://localhost", "[", "javascript:alert(1)", "")))
