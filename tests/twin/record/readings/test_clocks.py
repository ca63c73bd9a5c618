"""What is kept of a wearable's clock follows from the set of all that was told, and stays small."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.clock import HOUR_MS, MINUTE_MS
from twin.record.held.far import Stretch
from twin.record.held.holding import HeldNow
from twin.record.readings.clocks import KEPT, WINDOW_MS, Clocks, ClockWords, Turn

DEVICE = "watch-1"
Said = tuple[int, float, bool]
"""The minute of a word, what the clock is behind (s), and whether the word is taken back."""

words = st.lists(
    st.tuples(st.integers(0, 13).map(lambda n: 97 * n), st.sampled_from([0.0, 900.0, -3600.0]), st.booleans()),
    max_size=24,
)


def clocks(said: list[Said], order: list[int]) -> Clocks:
    """Word ``n`` has the rank ``n``; even places of ``order`` tell a word, odd ones take it back."""
    found = Clocks()
    for place in order:
        rank, backwards = divmod(place, 2)
        minute, behind, gone = said[rank]
        if not backwards:
            found.insert(DEVICE, rank, minute * MINUTE_MS, behind)
        elif gone:
            found.take_back(rank)
    return found


def kept(found: Clocks) -> tuple[ClockWords | None, set[int]]:
    return found.words.get(DEVICE), found.gone


@given(words, st.data())
def test_any_order_with_repetitions_keeps_the_same(said: list[Said], data: st.DataObject) -> None:
    places = list(range(2 * len(said)))
    order = data.draw(st.permutations(places)) + (data.draw(st.lists(st.sampled_from(places))) if places else [])
    one, other = clocks(said, places), clocks(said, order)
    assert kept(one) == kept(other)
    assert list(one.off(2**50)) == list(other.off(2**50))


@given(words)
def test_what_is_said_to_be_judged_otherwise_is_and_nothing_earlier(said: list[Said]) -> None:
    found = Clocks()
    for rank, (minute, behind, gone) in enumerate(said):
        for change in ("told", *(["taken back"] if gone else [])):
            before = list(found.turns(DEVICE)) if DEVICE in found.words else []
            millis = minute * MINUTE_MS
            goes_on = found.goes_on(DEVICE, rank, millis, behind)
            told = change == "told"
            since = found.insert(DEVICE, rank, millis, behind) if told else found.take_back(rank)
            after = found.turns(DEVICE)
            differ = [turn.millis for turn in set(before) ^ set(after)]
            assert since == min(differ, default=None)
            assert not (told and goes_on and since is not None), "what only goes on changes nothing"


@given(words)
def test_the_newest_word_is_always_known(said: list[Said]) -> None:
    found = clocks(said, list(range(0, 2 * len(said), 2)))
    newest = max(((minute, rank, behind) for rank, (minute, behind, _) in enumerate(said)), default=(0, 0, 0.0))
    assert sum(turn.behind for _, turn in found.off(2**50)) == newest[2]


def test_a_clock_is_off_from_the_word_that_says_so_until_one_says_that_it_is_right() -> None:
    found = clocks([(0, 0.0, False), (60, 900.0, False), (120, 900.0, False), (180, 0.0, False)], [0, 2, 4, 6])
    assert found.turns(DEVICE) == (Turn(60 * MINUTE_MS, 900), Turn(180 * MINUTE_MS, 0))
    assert [list(found.off(minute * MINUTE_MS)) for minute in (59, 179)] == [
        [],
        [(DEVICE, Turn(60 * MINUTE_MS, 900))],
    ]
    held = HeldNow((Stretch(50 * MINUTE_MS, 130 * MINUTE_MS),))
    assert found.turns(DEVICE, held) == ()


@pytest.mark.parametrize(("behind", "said"), [(14.0, 0), (899.0, 900), (-3611.0, -3600)])
def test_offsets_are_told_in_steps(behind: float, said: int) -> None:
    found = clocks([(0, behind, False)], [0])
    assert [turn.behind for _, turn in found.off(MINUTE_MS)] == ([said] if said else [])


def test_a_month_with_a_wrong_clock_keeps_a_few_words_a_window_and_routine_words_go_on() -> None:
    found, slow, minutes = Clocks(), 0, 30 * 24 * 60
    for rank in range(minutes):
        slow += not found.goes_on(DEVICE, rank, rank * MINUTE_MS, 900.0)
        found.insert(DEVICE, rank, rank * MINUTE_MS, 900.0)
    assert len(found.words[DEVICE].times) == 2 * KEPT * minutes * MINUTE_MS // WINDOW_MS
    assert slow == 1
    assert found.turns(DEVICE) == (Turn(0, 900),)


def test_readings_of_several_channels_at_one_instant_go_on() -> None:
    found = Clocks()
    told = [(hour * HOUR_MS, 10 * hour + channel) for hour in range(9) for channel in range(3)]
    goes_on = []
    for millis, rank in told:
        goes_on.append(found.goes_on(DEVICE, rank, millis, 900.0))
        found.insert(DEVICE, rank, millis, 900.0)
    assert goes_on == [False] + [True] * 26


def test_a_clock_told_off_and_on_at_the_same_times_is_known_whatever_was_taken_back() -> None:
    found = Clocks()
    for telling in range(6):
        for minute in range(10):
            found.insert(DEVICE, 100 * telling + minute, minute * MINUTE_MS, 900.0)
            if telling:
                found.take_back(100 * (telling - 1) + minute)
    assert found.turns(DEVICE) == (Turn(0, 900),)


def test_one_rank_says_one_thing() -> None:
    found = clocks([(0, 900.0, False)], [0])
    assert not found.contradicts(DEVICE, 0, 0, 900.0)
    assert found.contradicts(DEVICE, 0, 0, 930.0)
    assert found.contradicts(DEVICE, 0, MINUTE_MS, 900.0)
    assert not found.contradicts(DEVICE, 1, 0, 930.0)
    assert not found.contradicts("watch-2", 0, 0, 930.0)
