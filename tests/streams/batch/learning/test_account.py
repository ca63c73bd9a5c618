"""The account of a version in use: nobody counts twice, nothing that went against a version is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.releases import digest
from streams.batch.cases import CaseError
from streams.batch.learning.account import Account, Round, account_of, read_account
from tests.twin.toys import absorption
from twin.learning.tally import subgroup, tally

MODEL = absorption()
LIGHT = subgroup("WT<60", ["WT"])


def judged(version: str, taught: str, judges: str, better: float = 0.1) -> Round:
    """A round whose patients are letters."""
    said = tally([better] * len(judges), [{"WT": 50.0}] * len(judges), [LIGHT])
    return Round(version, f"{version}-text", tuple(taught), tuple(judges), said)


ACCOUNT = Account(MODEL.id, digest(MODEL)).plus(judged("one", "AB", "CD", -0.3)).plus(judged("two", "ABCD", "EF"))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = account_of(tmp_path / "draft.toml", MODEL.id)
    assert read_account(path, MODEL).rounds == ()
    path.write_text(ACCOUNT.as_toml())
    assert read_account(path, MODEL).as_toml() == ACCOUNT.as_toml()
    assert read_account(path, MODEL).subgroups == ("WT<60",)


def test_who_judged_or_taught_any_version_judges_no_other() -> None:
    assert ACCOUNT.barred("three-text") == {*"ABCDEF"}
    assert ACCOUNT.barred("two-text") == {*"ABCD"}, "one's own judges may judge again, with others"
    assert [one.version for one in ACCOUNT.before("two-text")] == ["one"]


def test_a_version_that_is_judged_again_has_one_round_with_all_of_its_judges() -> None:
    found = ACCOUNT.plus(judged("two", "ABCD", "EFG"))
    assert [(one.version, one.judges) for one in found.rounds] == [("one", ("C", "D")), ("two", ("E", "F", "G"))]
    with pytest.raises(CaseError, match=r"1 of the 2 who judged two before are missing .* name theirs too"):
        ACCOUNT.plus(judged("two", "ABCD", "EG"))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("in_use = 3", "cannot be read"),
        ("round = [{}]", "cannot be read"),
        (ACCOUNT.as_toml().replace(digest(MODEL), "0" * 64), "is of another text of toy_absorption"),
        (ACCOUNT.as_toml().replace("total = [", 'total = ["1", '), "must be 3 hexadecimal numbers"),
    ],
)
def test_an_account_that_is_none_is_refused(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "account.toml"
    path.write_text(text)
    with pytest.raises(CaseError, match=named):
        read_account(path, MODEL)
