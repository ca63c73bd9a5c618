"""A silent pump: when it is silent, when it may have stopped, and what its next word says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.bedside import ms, sample, start, stop, totals
from tests.twin.timeline.records import given_of, steps
from twin.clock import HOUR_MS
from twin.record.history import HOLD_MS
from twin.timeline.pumps.silence import (
    LATEST_STOP_MS,
    LEAST_PATIENCE_MS,
    RUNNING,
    STOPPED,
    STOPPING,
    Open,
    log_prior_of_rest,
    parted,
    silent_from,
)

HOLD, LATEST = HOLD_MS / HOUR_MS, LATEST_STOP_MS / HOUR_MS


def test_a_pump_is_silent_after_three_of_its_usual_intervals() -> None:
    hourly = [ms(hours) for hours in range(10)]
    assert silent_from(ms(9), hourly) == ms(12)
    often = [ms(hours / 60) for hours in range(10)]
    assert silent_from(often[-1], often) == often[-1] + LEAST_PATIENCE_MS


def test_one_lost_report_or_one_too_many_does_not_change_the_usual_interval() -> None:
    hourly = [ms(hours) for hours in range(12)]
    assert silent_from(ms(11), [one for one in hourly if one != ms(8)]) == ms(14)
    assert silent_from(ms(11), [*hourly[:-1], ms(10.001), ms(11)]) == ms(14)


def test_a_pump_that_tells_only_starts_and_stops_is_waited_for_as_long_as_a_bag_lasts() -> None:
    assert silent_from(ms(1), []) == ms(1 + HOLD)
    assert given_of(start(1)).opens == (Open("pump-1", "toxin", ms(1), ms(1 + HOLD)),)


def test_each_hypothesis_ends_the_rate_at_its_time_after_the_pump_fell_silent() -> None:
    told = (start(0), *(sample(hours) for hours in (1, 2, 3)))
    assert given_of(*told).rate == steps((0, 40.0), (6 + LATEST, 0.0))
    ends = [given_of(*told, assumed=one).rate[-1] for one in STOPPED]
    assert ends == steps((6, 0.0), (18, 0.0), (46, 0.0))


def test_hypotheses_deliver_on_average_what_the_rate_of_stopping_says() -> None:
    every = [*STOPPED, RUNNING]
    share = [math.exp(one.log_prior) for one in every]
    assert sum(share) == pytest.approx(1.0)
    mean = sum(part * one.after / HOUR_MS for part, one in zip(share, every, strict=True))
    assert mean == pytest.approx(1 / STOPPING, rel=0.1)


def test_a_hypothesis_is_one_of_its_own_only_once_the_pump_would_have_stopped() -> None:
    silent = (Open("pump-1", "toxin", ms(0), ms(1)),)
    assert parted(silent, ms(1)) == parted((), ms(50)) == ()
    assert parted(silent, ms(1.1)) == STOPPED[:1]
    assert parted(silent, ms(14)) == STOPPED[:2]
    assert parted(silent, ms(50)) == STOPPED
    assert log_prior_of_rest(()) == 0.0
    assert log_prior_of_rest(STOPPED) == pytest.approx(RUNNING.log_prior)


@pytest.mark.parametrize("word", [stop(90), sample(90)])
def test_a_next_word_that_it_stops_or_runs_as_before_says_that_it_ran(word: object) -> None:
    assert given_of(start(1), word, stop(91)).amount(ms(0), ms(90)) == pytest.approx(89 * 40.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("word", [start(90, 10.0), sample(90, 0.0)])
def test_a_next_word_that_it_begins_anew_or_stands_does_not_say_that_it_ran(word: object) -> None:
    found = given_of(start(1), word)  # type: ignore[arg-type]
    assert found.amount(ms(0), ms(90)) == pytest.approx(HOLD * 40.0)


def test_words_weeks_apart_do_not_join_two_courses() -> None:
    assert given_of(start(0), stop(500)).rate == steps((0, 40.0), (HOLD, 0.0))


def test_silence_is_counted_from_the_last_word_even_if_it_only_repeated_the_rate() -> None:
    found = given_of(start(1, 40.0), sample(50, 40.0), stop(100))
    assert found.rate == steps((1, 40.0), (100, 0.0))
    assert found.opens == ()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=6, unique=True),
    st.lists(st.floats(0, 300), min_size=2, max_size=2),
)
def test_every_hypothesis_delivers_what_the_counter_counted(hours: list[int], read: list[float]) -> None:
    told = (start(0), *(sample(hour) for hour in sorted(hours)), totals(0, min(read)), totals(41, max(read)))
    for hypothesis in (RUNNING, *STOPPED):
        amount = given_of(*told, assumed=hypothesis).amount(ms(0), ms(41))
        assert abs(amount - (max(read) - min(read))) <= 0.01 * max(amount, max(read) - min(read)) + 1e-6
