"""The doorkeeper: who is let in, for how long, and who has to wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from connectors.access.accounts import AccountsError, AccountsFile, Holder
from connectors.access.doorkeeper import FREE_OF_ACCOUNT, FREE_OF_ADDRESS, Doorkeeper, NotChanged, NotLetIn
from connectors.access.roles import Who
from connectors.access.sessions import Outside
from tests import factories as make
from tests.connectors.access.keys import PASSWORD, token_in

NURSE = Who("nurse-7", "clinician", ("P-1", "P-2"))


@dataclass
class Clock:
    at: float = 0.0

    def now(self) -> datetime:
        return make.at(0) + timedelta(seconds=self.at)

    def seconds(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keeper(file: AccountsFile, clock: Clock) -> Doorkeeper:
    return Doorkeeper(file, clock.now, clock.seconds)


def test_who_logs_in_is_known_until_they_log_out(keeper: Doorkeeper) -> None:
    session, other = keeper.log_in("nurse-7", PASSWORD, "here"), keeper.log_in("nurse-7", PASSWORD, "there")
    assert keeper.in_session(session, use=True) == NURSE
    keeper.log_out(session)
    assert keeper.in_session(session, use=True) is None
    assert keeper.in_session(other, use=True) == NURSE


@pytest.mark.parametrize(("name", "password"), [("nurse-7", "wrong"), ("nobody", PASSWORD), ("", ""), ("x" * 9999, "")])
def test_what_was_wrong_is_not_told(keeper: Doorkeeper, name: str, password: str) -> None:
    with pytest.raises(NotLetIn, match=r"^name or password is wrong$"):
        keeper.log_in(name, password, "here")


def test_a_session_ends_with_any_change_of_its_account(keeper: Doorkeeper, file: AccountsFile) -> None:
    session, other = keeper.log_in("nurse-7", PASSWORD, "here"), keeper.log_in("viewer-1", PASSWORD, "here")
    file.change(lambda all_: all_.with_password("nurse-7", "other words of a ward"))
    assert keeper.in_session(session, use=True) is None
    assert keeper.in_session(other, use=True) is not None
    session = keeper.log_in("nurse-7", "other words of a ward", "here")
    for disabled in (True, False):
        file.change(lambda all_, to=disabled: all_.with_disabled("nurse-7", disabled=to))
        assert keeper.in_session(session, use=True) is None


def test_nobody_is_let_in_while_the_file_cannot_be_trusted(keeper: Doorkeeper, file: AccountsFile) -> None:
    token = token_in(file, "board-3", "viewer", "*", 1, make.at(0))
    session = keeper.log_in("nurse-7", PASSWORD, "here")
    file.path.chmod(0o644)
    assert keeper.in_session(session, use=True) is None
    assert keeper.with_token(f"Bearer {token}") is None
    with pytest.raises(NotLetIn):
        keeper.log_in("nurse-7", PASSWORD, "here")


def test_a_token_is_let_in_as_it_says_until_it_ends(keeper: Doorkeeper, file: AccountsFile, clock: Clock) -> None:
    token = token_in(file, "board-3", "viewer", "W3-*", 1, make.at(0))
    assert keeper.with_token(f"Bearer {token}") == Who("board-3", "viewer", ("W3-*",))
    with pytest.raises(NotLetIn):
        keeper.log_in("board-3", token, "here")
    clock.at += 86_400
    assert keeper.with_token(f"Bearer {token}") is None


def guess(keeper: Doorkeeper, name: str, address: str, times: int) -> list[int]:
    """The seconds that each guess was told to wait."""
    waits = []
    for _ in range(times):
        with pytest.raises(NotLetIn) as refused:
            keeper.log_in(name, "wrong", address)
        waits.append(refused.value.wait)
    return waits


def test_who_guesses_a_password_waits_longer_each_time_from_wherever(keeper: Doorkeeper, clock: Clock) -> None:
    assert guess(keeper, "nurse-7", "here", FREE_OF_ACCOUNT + 1) == [0] * FREE_OF_ACCOUNT + [1]
    assert guess(keeper, "nurse-7", "there", 1) == [1]
    with pytest.raises(NotLetIn, match="too many attempts: try again in 1 s"):
        keeper.log_in("nurse-7", PASSWORD, "here")
    for wait in (1, 2, 4, 8):
        clock.at += wait
        assert guess(keeper, "nurse-7", "here", 1) == [0]
    clock.at += 16
    assert keeper.in_session(keeper.log_in("nurse-7", PASSWORD, "here"), use=True) == NURSE
    assert guess(keeper, "nurse-7", "elsewhere", 1) == [0]


def test_who_tries_many_names_from_one_place_waits_and_a_good_log_in_between_does_not_help(keeper: Doorkeeper) -> None:
    for number in range(FREE_OF_ADDRESS):
        assert guess(keeper, f"name-{number}", "here", 1) == [0]
        if number % 5 == 0:
            keeper.log_in("viewer-1", PASSWORD, "here")
    assert guess(keeper, "name-99", "here", 1) == [1]
    assert keeper.log_in("viewer-1", PASSWORD, "there")


def told_of(keeper: Doorkeeper, name: str = "nora-7") -> str:
    nora = Holder(name=name, role="viewer", patients="P-1")
    return keeper.let_in(nora, Outside("https://i.example", "s-7", "sid-1", "signed"), "here")


def test_who_comes_by_a_provider_is_let_in_until_it_ends_that(keeper: Doorkeeper, clock: Clock) -> None:
    session = told_of(keeper)
    assert keeper.in_session(session, use=True) == Who("nora-7", "viewer", ("P-1",))
    assert keeper.end_outside("https://other.example", "s-7", "sid-1") == ()
    assert keeper.end_outside("https://i.example", "s-7", "sid-1") == ("nora-7",)
    assert keeper.in_session(session, use=True) is None
    session = told_of(keeper)
    clock.at += 12 * 3600
    assert keeper.in_session(session, use=True) is None


@pytest.mark.parametrize("name", ["nurse-7", "NURSE-7", "board-3"])
def test_nobody_comes_by_a_provider_under_a_name_of_here(keeper: Doorkeeper, file: AccountsFile, name: str) -> None:
    token_in(file, "board-3", "viewer", "*", 1, make.at(0))
    with pytest.raises(NotLetIn, match="an account here has that name"):
        told_of(keeper, name)


def test_without_a_file_a_provider_alone_lets_in() -> None:
    keeper = Doorkeeper(None)
    session = told_of(keeper)
    assert not keeper.has_accounts
    assert keeper.in_session(session, use=True)
    assert keeper.with_token("Bearer dosetwin_x") is None
    with pytest.raises(NotLetIn):
        keeper.log_in("nurse-7", PASSWORD, "here")
    with pytest.raises(NotChanged, match="has no password here"):
        keeper.change_password(session, "", "other words of a ward", "here")


def test_an_account_that_changed_meanwhile_keeps_its_password(keeper: Doorkeeper, file: AccountsFile) -> None:
    session = keeper.log_in("nurse-7", PASSWORD, "here")
    file.change(lambda all_: all_.with_disabled("nurse-7", disabled=True))
    with pytest.raises(AccountsError, match="has changed meanwhile"):
        keeper.change_password(session, PASSWORD, "other words of a ward", "here")
