"""Sessions: how they begin, go on and end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from connectors.access.accounts import Account, Holder
from connectors.access.sessions import IDLE, MOST_EACH, OLDEST, Outside, Sessions
from tests import factories as make

ACCOUNT = Account(name="nurse-7", role="clinician", patients="*", password="$argon2id$")


START = make.at(0)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


def owner(sessions: Sessions, secret: str, *, use: bool) -> Holder | None:
    found = sessions.find(secret, use=use)
    return found and found.holder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(clock)


def test_each_log_in_has_an_id_of_its_own_that_is_kept_nowhere(sessions: Sessions) -> None:
    ids = [sessions.begin(ACCOUNT) for _ in range(5)]
    assert len(set(ids)) == 5
    assert min(map(len, ids)) >= 43
    assert not any(one in repr(vars(sessions)) for one in ids)
    assert owner(sessions, "x" * 43, use=True) is None


def test_one_that_is_not_used_ends(sessions: Sessions, clock: Clock) -> None:
    used, looked_at = sessions.begin(ACCOUNT), sessions.begin(ACCOUNT)
    for _ in range(3):
        clock.now += IDLE / 2
        assert owner(sessions, used, use=True) == ACCOUNT
        ended = clock.now - START >= IDLE
        assert (owner(sessions, looked_at, use=False) is None) is ended
    clock.now += IDLE
    assert owner(sessions, used, use=True) is None
    assert len(sessions) == 0


def test_one_that_is_old_ends_however_much_it_is_used(sessions: Sessions, clock: Clock) -> None:
    session = sessions.begin(ACCOUNT)
    while clock.now < START + OLDEST:
        clock.now += IDLE / 2
        alive = owner(sessions, session, use=True)
    assert alive is None


def test_one_that_is_ended_is_no_more_and_others_go_on(sessions: Sessions) -> None:
    one, other = sessions.begin(ACCOUNT), sessions.begin(ACCOUNT)
    sessions.end(one)
    sessions.end(one)
    assert owner(sessions, one, use=True) is None
    assert owner(sessions, other, use=True) == ACCOUNT


def test_who_logs_in_very_often_loses_what_was_unused_longest(sessions: Sessions, clock: Clock) -> None:
    ids = []
    for _ in range(MOST_EACH + 3):
        ids.append(sessions.begin(ACCOUNT))
        clock.now += timedelta(seconds=1)
    assert len(sessions) == MOST_EACH
    assert [owner(sessions, one, use=False) is None for one in ids] == [True] * 3 + [False] * MOST_EACH


def test_what_a_provider_ends_is_of_its_subject_and_its_session() -> None:
    whole, older = Outside("i", "s-7", "sid-1", "signed"), Outside("i", "s-7", None, "signed")
    assert "signed" not in repr(whole)
    for subject, session, ended in (
        ("s-7", None, "both"), ("s-7", "sid-1", "both"), (None, "sid-1", "whole"), ("s-7", "sid-2", "older"),
        ("s-8", None, ""), ("s-8", "sid-1", ""), (None, "sid-2", ""),
    ):  # fmt: skip
        assert whole.ends_with(subject, session) is (ended in ("both", "whole")), (subject, session)
        assert older.ends_with(subject, session) is (ended in ("both", "older")), (subject, session)
