"""A channel's rates and its counter: whatever befalls them, what is delivered is what was counted."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.bedside import ms, sample, start, stop, totals
from tests.twin.timeline.records import given_of, steps
from twin.events import InputEvent
from twin.timeline.pumps.channel import COUNTER_TOLERANCE


def test_rates_are_scaled_to_what_the_counter_says() -> None:
    """A pump that claims 40 mg/h and counts 60 mg in two hours ran at 30; of the time around them it says nothing."""
    found = given_of(start(0, 40.0), totals(1, 100.0), totals(3, 160.0), stop(5))
    assert found.rate == steps((0, 40.0), (1, 30.0), (3, 40.0), (5, 0.0))


def test_a_counter_keeps_the_proportions_of_the_rates_it_corrects() -> None:
    found = given_of(totals(0, 0.0), start(0, 40.0), start(1, 20.0), totals(2, 90.0), stop(2))
    assert found.rate == steps((0, 60.0), (1, 30.0), (2, 0.0))


def test_a_pump_within_its_accuracy_is_left_alone() -> None:
    exact = given_of(start(0, 40.0), stop(4))
    within = given_of(start(0, 40.0), totals(0, 0.0), totals(4, 160.0 * (1 - 0.9 * COUNTER_TOLERANCE)), stop(4))
    assert within == exact
    beyond = given_of(start(0, 40.0), totals(0, 0.0), totals(4, 160.0 * (1 - 2 * COUNTER_TOLERANCE)), stop(4))
    assert beyond.amount(ms(0), ms(4)) == pytest.approx(160.0 * (1 - 2 * COUNTER_TOLERANCE))


def test_what_a_counter_counted_while_no_word_told_of_a_rate_is_spread_evenly() -> None:
    """A start that was lost, or a pump that only counts: the drug went in all the same."""
    assert given_of(totals(0, 10.0), totals(2, 50.0)).rate == steps((0, 20.0), (2, 0.0))
    assert given_of(stop(0), totals(0, 10.0), totals(2, 50.0), stop(5)).rate == steps((0, 20.0), (2, 0.0))


def test_a_counter_that_was_cleared_says_nothing_about_that_stretch() -> None:
    found = given_of(start(0, 40.0), totals(1, 40.0), totals(2, 3.0), totals(3, 23.0), stop(4))
    assert found.rate == steps((0, 40.0), (2, 20.0), (3, 40.0), (4, 0.0))


def test_a_counter_that_dips_by_its_noise_was_not_cleared() -> None:
    """Read 100, 99 and 120 mg, a counter counted 20, not 99 and then 21."""
    dipping = given_of(start(0, 5.0), totals(1, 100.0), totals(2, 99.0), totals(3, 120.0), stop(4))
    assert dipping == given_of(start(0, 5.0), totals(1, 100.0), totals(3, 120.0), stop(4))
    assert dipping.amount(ms(1), ms(3)) == pytest.approx(20.0)
    wavering = [totals(1, 100.0), totals(1.5, 99.4), totals(2, 99.8), totals(2.5, 98.5), totals(3, 120.0)]
    assert given_of(start(0, 5.0), *wavering, stop(4)) == dipping


def test_a_counter_cleared_before_a_bag_like_the_last_was_cleared() -> None:
    """The pump's words say so: since the last reading it delivered all that the counter shows now."""
    bags = given_of(totals(0, 100.0), start(0, 50.0), totals(2, 99.0), start(2, 50.0), totals(4, 204.0), stop(4))
    assert bags.amount(ms(0), ms(2)) == pytest.approx(100.0)
    assert bags.amount(ms(2), ms(4)) == pytest.approx(105.0)
    low = given_of(start(0, 5.0), totals(1, 100.0), totals(2, 97.0), totals(3, 102.0), stop(4))
    assert low.amount(ms(2), ms(3)) == pytest.approx(5.0)


CASES: dict[str, tuple[float, tuple[InputEvent, ...]]] = {
    "the counter is cleared while the pump runs": (
        80.0,
        (start(0), totals(0, 0), totals(1, 40), totals(1.5, 20), totals(2, 40), stop(2)),
    ),
    "what is kept open runs on slowly": (
        82.0,
        (start(0), start(2, 1.0, phase="complete", delivery_status="kvo"), stop(4)),
    ),
    "what is kept open runs faster than it says": (
        86.0,
        (
            start(0),
            totals(0, 0),
            totals(2, 80),
            start(2, 1.0, phase="complete", delivery_status="kvo"),
            totals(4, 86),
            stop(4),
        ),
    ),
    "an occlusion, and its bolus on release": (
        66.0,
        (
            start(0),
            totals(0, 0),
            totals(1, 40),
            stop(1, not_delivering_reason="occlusion"),
            start(1.5),
            totals(1.6, 46),
            totals(2.1, 66),
            stop(2.1),
        ),
    ),
    "the clock is set forward by an hour": (
        120.0,
        (start(0), totals(0, 0), totals(1, 40), totals(3, 80), totals(4, 120), stop(4)),
    ),
    "the clock is set back by an hour": (
        140.0,
        (start(0), totals(0, 0), totals(2, 80), totals(1.5, 100), totals(2.5, 140), stop(2.5)),
    ),
    "the start is lost": (80.0, (totals(0, 0), totals(2, 80), stop(2))),
    "the stop is lost": (80.0, (start(0), totals(0, 0), totals(2, 80), totals(5, 80))),
    "the stop is lost before the next course": (
        100.0,
        (start(0), totals(0, 0), totals(2, 80), totals(5, 80), start(24, 10.0), stop(26)),
    ),
    "an elastomeric pump is weighed at start and end": (90.0, (totals(0, 0), totals(46, 90))),
    "an elastomeric pump flows slower than it is labelled": (
        88.0,
        (start(0, 2.0), totals(0, 0), totals(50, 88), stop(50)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_delivered_is_what_was_counted(case: str) -> None:
    amount, told = CASES[case]
    assert given_of(*told).amount(ms(0), ms(200)) == pytest.approx(amount)


def test_the_bolus_of_an_occlusion_is_given_on_release_and_not_before() -> None:
    found = given_of(*CASES["an occlusion, and its bolus on release"][1])
    assert found.amount(ms(1), ms(1.5)) == 0.0
    assert found.amount(ms(1.5), ms(1.6)) == pytest.approx(6.0)


def test_a_pump_that_stands_by_its_counter_runs_again_when_it_speaks_or_counts() -> None:
    told = (start(0), totals(0, 0), totals(2, 80), totals(5, 80))
    assert given_of(*told).rate == steps((0, 40.0), (2, 0.0))
    assert given_of(*told, start(7), stop(8)).amount(ms(0), ms(200)) == pytest.approx(120.0)
    assert given_of(*told, totals(6, 90), totals(7, 90)).amount(ms(0), ms(200)) == pytest.approx(90.0)
    assert given_of(*told, totals(6, 120), stop(8)).rate == steps((0, 40.0), (2, 0.0), (5, 40.0), (8, 0.0))
    cleared = given_of(*told, totals(6, 0), totals(7, 0), totals(8, 40), stop(9))
    assert cleared.rate == steps((0, 40.0), (2, 0.0), (7, 40.0), (9, 0.0))


def test_a_display_that_rounds_does_not_stop_a_pump() -> None:
    """One of fifths of a milligram, read every 5 minutes, stands at every other reading of a pump that runs."""
    found = given_of(start(0, 1.0), *(totals(i / 12, i // 2 / 5) for i in range(8)))
    assert found.rate_at(ms(7 / 12)) == 1.0
    assert given_of(start(0, 1.0), *(totals(i / 12, 0) for i in range(4))).rate_at(ms(3 / 12)) == 0.0


def test_a_pump_that_reports_itself_stands_by_its_counter_until_it_reports_again() -> None:
    told = (start(0), totals(0, 0), totals(2, 80), totals(5, 80))
    assert given_of(*told, sample(1), stop(8)).rate == steps((0, 40.0), (2, 0.0))
    assert given_of(*told, sample(1), sample(7), stop(8)).rate == steps((0, 40.0), (2, 0.0), (7, 40.0), (8, 0.0))
    assert given_of(*told, sample(3), stop(8)).rate == steps((0, 40.0), (2, 0.0), (5, 40.0), (8, 0.0))


def test_a_counter_that_was_cleared_is_not_taken_for_a_clock_set_back() -> None:
    """Each reading after the clearing counts what it shows, also where a start was lost or the rates are wrong."""
    lost = given_of(start(0), totals(1.9, 76), stop(2), totals(3, 0), totals(5, 80), stop(5))
    assert lost.amount(ms(0), ms(9)) == pytest.approx(160.0)
    faster = given_of(start(0, 10.0), totals(0, 0), totals(1, 40), totals(2, 39), totals(3, 79), stop(3))
    assert faster.rate == steps((0, 40.0), (1, 10.0), (2, 40.0), (3, 0.0))


def test_readings_of_two_clocks_are_put_in_order() -> None:
    """Read every quarter of an hour, and its clock set back by an hour after two: each reading is told between two."""
    before = [totals(i / 4, 10 * i) for i in range(9)]
    after = [totals(1.05 + i / 4, 82 + 10 * i) for i in range(7)]
    assert given_of(start(0), *before, *after, stop(2.55)).amount(ms(0), ms(9)) == pytest.approx(142.0)


readings = st.lists(
    st.tuples(st.integers(0, 40), st.floats(0, 400)), min_size=2, max_size=6, unique_by=lambda reading: reading[0]
)
words = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([0.0, 5.0, 40.0])), max_size=6, unique_by=lambda word: word[0]
)


@settings(max_examples=150, deadline=None)
@given(words, readings)
def test_between_two_readings_the_amount_is_what_was_counted(
    words: list[tuple[int, float]], readings: list[tuple[int, float]]
) -> None:
    spoken = [start(h / 2, rate) if rate > 0 else stop(h / 2) for h, rate in words]
    counted = sorted(readings)
    read = [reading for _, reading in counted]
    found = given_of(*spoken, *(totals(h / 2, amount) for h, amount in counted))
    assert all(rate >= 0 for _, rate in found.rate)
    assert [m for m, _ in found.rate] == sorted({m for m, _ in found.rate})
    for (since, before), (until, after) in pairwise(counted):
        if read == sorted(read):
            amount = found.amount(ms(since / 2), ms(until / 2))
            assert abs(amount - (after - before)) <= COUNTER_TOLERANCE * max(amount, after - before) + 1e-6
    last, plain = counted[-1][0] / 2, given_of(*spoken)
    told, afterwards = plain.amount(ms(last), ms(200)), found.amount(ms(last), ms(200))
    (since, before), (until, after) = counted[-2:]
    counts = after - before > COUNTER_TOLERANCE * plain.amount(ms(since / 2), ms(until / 2))
    if (read == sorted(read) and counts) or any(since < hour <= until for hour, _ in words):
        assert afterwards == pytest.approx(told, abs=1e-6)
    assert afterwards <= told + 1e-6
