"""A receiver is waited for, a message that it alone fails at is not."""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors.sinks.telling.patience import ALONE, BESIDE, REST, RESTS_AFTER, Patience
from tests.connectors.sinks.telling.told import NOON


class Now:
    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> datetime:
        return self.moment


def test_a_message_that_fails_while_others_are_taken_is_given_up_after_a_minute() -> None:
    now = Now()
    patience = Patience(now)
    assert not patience.ended("bad", answered=False)
    assert patience.fails("bad")
    patience.took("good")
    assert not patience.ended("bad", answered=False)
    now.moment += BESIDE
    assert patience.ended("bad", answered=False)
    assert not patience.fails("bad")


def test_the_only_message_that_fails_rests_between_attempts_and_no_longer_when_all_do() -> None:
    now = Now()
    patience = Patience(now)
    patience.ended("one", answered=True)
    assert not patience.rests("one")
    now.moment += RESTS_AFTER
    patience.ended("one", answered=True)
    assert patience.rests("one")
    now.moment += REST
    assert not patience.rests("one")
    patience.ended("one", answered=True)
    patience.ended("other", answered=True)
    assert not patience.rests("one")


def test_a_receiver_that_does_not_answer_is_waited_for_without_end_and_one_that_fails_for_hours() -> None:
    now = Now()
    patience = Patience(now)
    for _ in range(100):
        assert not patience.ended("one", answered=False)
        now.moment += timedelta(minutes=1)
    assert not patience.ended("other", answered=True)
    now.moment += ALONE
    assert patience.ended("other", answered=True)
