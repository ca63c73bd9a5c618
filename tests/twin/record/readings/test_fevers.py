"""What is kept of fevers follows from the set of all that was told, is small, and never drives out what came before."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from twin.clock import MINUTE_MS
from twin.record.held.far import Stretch
from twin.record.held.holding import HeldNow
from twin.record.readings.fevers import HIGH, KEPT, LINE, Fevers

Told = list[tuple[int, float, bool]]
"""Minute, value, and whether it is taken back."""

told = st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from([37.9, 38.0, 38.2, 38.3, 39.1]), st.booleans()), max_size=40
)


def fevers(readings: Told, order: list[int]) -> Fevers:
    found = Fevers()
    for rank in order:
        minute, value, gone = readings[rank]
        if gone and rank % 2:
            found.take_back(rank)
        found.insert(rank, minute * MINUTE_MS, value)
        if gone and not rank % 2:
            found.take_back(rank)
    return found


@settings(max_examples=60, deadline=None)
@given(told, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_keep_the_same(readings: Told, random: object) -> None:
    order = [*range(len(readings)), *range(0, len(readings), 3)]
    shuffled = order[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = fevers(readings, order), fevers(readings, shuffled)
    assert one == other
    assert list(zip(one.times, one.ranks, strict=True)) == sorted(zip(one.times, one.ranks, strict=True))


def test_a_temperature_that_is_none_of_a_fever_leaves_no_trace() -> None:
    found = fevers([(0, 37.9, False), (1, 36.5, False)], [0, 1])
    assert found == Fevers()
    assert found.turn(-1) is None


def test_hours_of_fever_stay_small_and_what_comes_in_order_stays() -> None:
    found, seen = Fevers(), list[int]()
    for minute in range(600):
        if found.insert(minute, minute * MINUTE_MS, HIGH if minute % 3 == 0 else LINE):
            seen.append(minute * MINUTE_MS)
    assert seen == list(found.times)
    assert len(found.times) <= 2 * KEPT * 60


def test_what_is_taken_back_says_since_when_and_counts_no_more() -> None:
    found = fevers([(0, 38.1, False), (5, 38.6, False)], [0, 1])
    assert found.between(-1, 10 * MINUTE_MS) == ((0, 38.1), (5 * MINUTE_MS, 38.6))
    assert (found.take_back(1), found.take_back(1), found.take_back(7)) == (5 * MINUTE_MS, None, None)
    assert found.between(-1, 10 * MINUTE_MS) == ((0, 38.1),)
    assert not found.insert(7, 6 * MINUTE_MS, 39.0), "taken back before it was told"
    held = HeldNow(far=(Stretch(0, 0),))
    assert found.between(-1, 10 * MINUTE_MS, held) == ()


def test_a_fever_turns_when_it_begins_and_when_it_becomes_high() -> None:
    minutes = [(0, 38.0, False), (30, 38.1, False), (45, 38.4, False), (60, 38.5, False), (150, 38.2, False)]
    found, turns, after = fevers(minutes, list(range(5))), list[int](), -1
    while (turn := found.turn(after)) is not None:
        turns.append(turn // MINUTE_MS)
        after = turn
    assert turns == [0, 45, 150]


def test_a_reading_that_says_other_than_before_is_known() -> None:
    found = fevers([(0, 38.1, False)], [0])
    assert found.contradicts(0, 0, 38.2)
    assert not found.contradicts(0, 0, 38.1)
    assert not found.contradicts(1, 0, 38.2)
