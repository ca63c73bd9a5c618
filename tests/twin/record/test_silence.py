"""The longer nobody tells anything, the more rarely there is an estimate; with the next word the full pace is back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.bedside import bind, clock, count, dose, ms, plan, vital
from tests.twin.timeline.records import history_of
from twin.clock import HOUR_MS
from twin.events import InputEvent, to_millis
from twin.record.orders import Orders
from twin.record.silence import FINE, next_estimate

YEAR = 24.0 * 365


def estimates(begin: float, end: float, *events: InputEvent, phase: float = 0.0) -> list[float]:
    """Hours of the estimates after ``begin`` and until ``end``, hourly at full pace, by ``phase`` after full ones."""
    history = history_of(events)
    orders, found, after = Orders(history), list[float](), ms(begin)
    while (after := next_estimate(after, HOUR_MS, history, orders, round(phase * HOUR_MS))) <= ms(end):
        found.append((after - ms(0)) / HOUR_MS)
    return found


def test_two_days_after_a_word_estimates_become_rarer_by_half_each_time_the_silence_doubles() -> None:
    found = estimates(0, 24 * 20, dose(0))
    assert found[:FINE] == [float(hour) for hour in range(1, FINE + 1)]
    distances = {b - a for a, b in pairwise(found) if a > FINE + 24}
    assert distances == {2.0, 4.0, 8.0, 16.0}
    assert [hour for hour in found if hour > 2 * FINE + 8] == [hour for hour in found if hour > 104 and hour % 4 == 0]


def test_a_year_of_silence_brings_some_hundred_estimates_and_ten_years_few_more() -> None:
    year, decade = estimates(0, YEAR, dose(0)), estimates(0, 10 * YEAR, dose(0))
    assert 150 < len(year) < 260
    assert len(decade) < len(year) + 100
    assert len(estimates(0, YEAR, dose(0), *(clock(hour) for hour in range(0, 8000, 100)))) == len(year)


def test_the_full_pace_is_back_with_the_next_word_of_whatever_kind() -> None:
    for word in (dose(500.5), count(500.5, 2.0), vital(500.5), bind(500.5)):
        after = [hour for hour in estimates(0, 520, dose(0), word) if hour > 496]
        assert after == [float(hour) for hour in range(501, 521)]
    assert 500 in estimates(0, 520, dose(0), count(500, 2.0))


def test_a_planned_dose_is_a_word_until_the_patient_was_lost() -> None:
    """A dose that is not given is noticed within hours, three weeks after the last word as well."""
    every_three_weeks = plan(0, *((21.0 * 24 * cycle, 60.0, 1.0) for cycle in range(8)))
    found = estimates(0, YEAR, dose(0), every_three_weeks)
    assert [hour for hour in found if 504 <= hour <= 510] == [504, 505, 506, 507, 508, 509, 510]
    assert len([hour for hour in found if 1008 <= hour <= 1032]) <= 3
    assert len(found) < 400


kinds: st.SearchStrategy[Callable[[float], InputEvent]] = st.sampled_from(
    [dose, vital, clock, lambda hours: plan(hours, (hours + 60, 1.0, 2.0)), bind]
)
words = st.lists(st.tuples(st.integers(0, 900), kinds), min_size=1, max_size=6, unique_by=lambda word: word[0])


@settings(max_examples=40, deadline=None)
@given(words, st.sampled_from([0.0, 0.25, 7.5]), st.randoms(use_true_random=False))
def test_the_moments_are_the_same_whatever_the_order_and_wherever_one_begins(
    told: Sequence[tuple[int, Callable[[float], InputEvent]]], phase: float, random: Random
) -> None:
    events = [kind(half / 2) for half, kind in told]
    found = estimates(0, 1000, *events, phase=phase)
    assert {hour % 1 for hour in found} == {phase % 1}
    random.shuffle(events)
    assert estimates(0, 1000, *events, phase=phase) == found
    assert estimates(300, 1000, *events, phase=phase) == [hour for hour in found if hour > 300]
    for event in events:
        begin = (to_millis(event.time) - ms(0)) / HOUR_MS
        if event.kind != "clock":
            own = [hour + phase % 1 for hour in range(1, 1000)]
            assert {hour for hour in own if begin <= hour <= begin + FINE} <= set(found)
