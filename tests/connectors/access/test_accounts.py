"""The file of accounts: what is written, who may read it, and what is refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from connectors.access.accounts import Accounts, AccountsError, AccountsFile
from connectors.access.passwords import fits
from tests.connectors.access.keys import PASSWORD


def test_what_is_written_is_read_and_holds_no_password(file: AccountsFile) -> None:
    accounts = file.read()
    assert [(one.name, one.role, one.patients) for one in accounts.accounts] == [
        ("viewer-1", "viewer", "P-1"),
        ("nurse-7", "clinician", "P-1,P-2"),
        ("engineer-2", "engineer", "*"),
    ]
    assert all(fits(one.password, PASSWORD) for one in accounts.accounts)
    assert PASSWORD not in file.path.read_text()
    assert "argon2" not in repr(accounts)


def test_its_owner_alone_may_read_it_and_its_folder_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    file = AccountsFile(tmp_path / "new" / "accounts.json")
    file.change(lambda _: Accounts())
    AccountsFile(tmp_path / "accounts.json").change(lambda _: Accounts())
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file.path, file.path.parent, tmp_path)]
    assert modes == [0o600, 0o700, 0o755]


def test_a_file_that_others_may_read_is_not_trusted(file: AccountsFile) -> None:
    file.read()
    file.path.chmod(0o640)
    with pytest.raises(AccountsError, match=r"may be read by others.*chmod 600"):
        file.read()


def test_a_file_that_is_not_there_says_how_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(AccountsError, match=r"is not there; it is made by dosetwin account add"):
        AccountsFile(tmp_path / "none.json").read()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "EOF while parsing"),
        ("[]", "object"),
        ('{"accounts": [{"name": "a"}]}', "field 'accounts.0.role'"),
        ('{"accounts": [], "more": 1}', "field 'more'"),
        (
            '{"accounts": [{"name": "a", "role": "viewer", "patients": "*", "password": "plain"}]}',
            "accounts.0.password",
        ),
    ],
)
def test_a_file_that_says_something_else_is_named_without_its_values(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "accounts.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(AccountsError, match=r"accounts\.json") as refused:
        AccountsFile(path).read()
    assert says in str(refused.value)
    assert "plain" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "role", "patients", "password", "says"),
    [
        ("Hans Mueller", "viewer", "*", PASSWORD, "field 'name': a pseudonym, never a name"),
        ("nurse-8", "nurse", "*", PASSWORD, "field 'role': Input should be 'viewer', 'clinician' or 'engineer'"),
        ("nurse-8", "viewer", "", PASSWORD, "field 'patients'"),
        ("nurse-8", "viewer", " , ", PASSWORD, "field 'patients': no pattern"),
        ("nurse-8", "viewer", "P/1", PASSWORD, "field 'patients'"),
        ("nurse-8", "viewer", "*", "short", "take 12 to 256"),
        ("Nurse-7", "viewer", "*", PASSWORD, "'nurse-7' is there twice"),
    ],
)
def test_an_account_that_cannot_be_changes_nothing(
    file: AccountsFile, name: str, role: str, patients: str, password: str, says: str
) -> None:
    before = file.path.read_bytes()
    with pytest.raises(AccountsError) as refused:
        file.change(lambda accounts: accounts.with_account(name, role, patients, password))
    assert says in str(refused.value)
    assert file.path.read_bytes() == before


def test_a_change_of_nobody_says_who_there_is(file: AccountsFile) -> None:
    with pytest.raises(AccountsError, match=r"name 'nurse-9' is unknown; there are engineer-2, nurse-7, viewer-1"):
        file.change(lambda accounts: accounts.with_disabled("nurse-9", disabled=True))
    with pytest.raises(AccountsError, match=r"name 'nurse-9' is unknown; there is none yet"):
        AccountsFile(file.path.with_name("empty.json")).change(lambda a: a.with_password("nurse-9", PASSWORD))


def test_who_is_disabled_is_no_account_until_enabled_again(file: AccountsFile) -> None:
    for disabled in (True, False):
        accounts = file.change(lambda all_, to=disabled: all_.with_disabled("nurse-7", disabled=to))
        assert (accounts.account("nurse-7") is None) is disabled
        assert file.read() == accounts


def test_a_new_password_fits_and_the_old_one_does_no_more(file: AccountsFile) -> None:
    accounts = file.change(lambda all_: all_.with_password("nurse-7", "other words of a ward"))
    account = accounts.account("nurse-7")
    assert account is not None
    assert fits(account.password, "other words of a ward")
    assert not fits(account.password, PASSWORD)
