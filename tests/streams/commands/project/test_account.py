"""``dosetwin account``: the file it writes, the passwords it never takes as an argument, and what it refuses."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from connectors.access.accounts import AccountsFile
from connectors.access.passwords import fits
from connectors.access.tokens import MARK, token_of
from streams.cli import app

PASSWORD = "four words of a ward"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "accounts.json"
    monkeypatch.setenv("DOSETWIN_CONSOLE_ACCOUNTS", str(path))
    return path


def account(*words: str, typed: str = f"{PASSWORD}\n{PASSWORD}\n") -> Result:
    return CliRunner().invoke(app, ["account", *words], input=typed)


def test_an_account_from_its_first_password_to_its_end(path: Path, tmp_path: Path) -> None:
    made = account("add", "nurse-7", "--role", "clinician", "--patients", "WARD3-*")
    assert (made.exit_code, PASSWORD in made.output) == (0, False), made.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = tmp_path / "secret"
    secret.write_text("other words of a ward\n")
    assert account("password", "nurse-7", "--password-file", str(secret)).exit_code == 0
    kept = AccountsFile(path).read().account("nurse-7")
    assert kept is not None
    assert fits(kept.password, "other words of a ward")
    assert account("list").output == "nurse-7  account  clinician  WARD3-*\n"
    assert account("disable", "nurse-7").exit_code == 0
    assert account("list").output == "nurse-7  account  clinician  WARD3-*  disabled\n"
    assert account("enable", "nurse-7").exit_code == 0
    assert AccountsFile(path).read().account("nurse-7") == kept


def test_a_token_is_shown_once(path: Path) -> None:
    made = account("token", "board-3", "--role", "viewer", "--patients", "WARD3-*", "--days", "2")
    text = made.stdout.strip()
    assert (made.exit_code, text.startswith(MARK), text in path.read_text()) == (0, True, False)
    token = token_of(f"Bearer {text}", AccountsFile(path).read().tokens, datetime.now(UTC))
    assert token is not None
    assert (token.name, token.role, token.patients) == ("board-3", "viewer", "WARD3-*")
    listed = account("list").output
    assert listed.startswith("board-3  token  viewer  WARD3-*  until 20")
    assert text not in listed


@pytest.mark.parametrize(
    ("words", "typed", "says"),
    [
        (["add", "Hans Mueller", "--role", "viewer", "--patients", "*"], None, "field 'name': a pseudonym"),
        (["add", "nurse-7", "--role", "nurse", "--patients", "*"], None, "'viewer', 'clinician' or 'engineer'"),
        (["add", "nurse-7", "--role", "viewer", "--patients", "*"], "short\nshort\n", "5 characters: take 12"),
        (["disable", "nurse-9"], None, "name 'nurse-9' is unknown"),
        (["token", "b", "--role", "viewer", "--patients", "*", "--days", "1000"], None, "366 at most"),
        (["list"], None, "is not there; it is made by dosetwin account add"),
    ],
)
@pytest.mark.usefixtures("path")
def test_what_cannot_be_is_named_with_the_mend(words: list[str], typed: str | None, says: str) -> None:
    refused = account(*words, **({} if typed is None else {"typed": typed}))
    assert (refused.exit_code, says in refused.stderr) == (1, True), refused.output


def test_a_password_is_no_argument(path: Path) -> None:
    refused = account("add", "nurse-7", PASSWORD, "--role", "viewer", "--patients", "*")
    assert (refused.exit_code, path.exists()) == (2, False)
