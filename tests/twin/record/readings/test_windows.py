"""What is kept of readings follows from the set of all that was told, and is bounded whatever a device says."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.clock import HOUR_MS
from twin.observation.aggregate import summary
from twin.record.held.far import Stretch
from twin.record.held.holding import HeldNow
from twin.record.readings.windows import KEPT, ReadingWindows, Window, rank_of

Told = list[tuple[int, float, bool]]
"""Seconds, value, and whether it is taken back."""

told = st.lists(st.tuples(st.integers(0, 3 * 3600), st.integers(80, 180).map(float), st.booleans()), max_size=80)


def windows(readings: Told, order: list[int]) -> ReadingWindows:
    found = ReadingWindows(HOUR_MS)
    for i in order:
        seconds, value, gone = readings[i]
        if gone and i % 2:
            found.take_back(rank_of(f"reading {i}"))
        assert found.insert(rank_of(f"reading {i}"), 1000 * seconds, value) is not None
        if gone and not i % 2:
            found.take_back(rank_of(f"reading {i}"))
    return found


@settings(max_examples=40, deadline=None)
@given(told, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_keep_the_same(readings: Told, random: object) -> None:
    order = [*range(len(readings)), *range(0, len(readings), 3)]
    shuffled = order[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = windows(readings, order), windows(readings, shuffled)
    assert (one.times, one.ranks, one.values, one.gone) == (other.times, other.ranks, other.values, other.gone)
    assert list(one.closed(4 * HOUR_MS)) == list(other.closed(4 * HOUR_MS))


def test_which_readings_are_kept_does_not_depend_on_what_their_events_are_called() -> None:
    one, other = ReadingWindows(HOUR_MS), ReadingWindows(HOUR_MS)
    for second in range(600):
        assert one.insert(rank_of(f"one {second}"), 1000 * second, float(second)) is not None
        assert other.insert(rank_of(f"other {second}"), 1000 * second, float(second)) is not None
    assert len(one.times) == KEPT
    assert (one.times, one.values) == (other.times, other.values)
    assert one.ranks != other.ranks


def test_few_readings_are_all_kept_and_summed_up_when_their_window_is_closed() -> None:
    found = windows([(0, 118.0, False), (1800, 122.0, False), (3599, 300.0, True), (3600, 125.0, False)], [0, 1, 2, 3])
    assert list(found.closed(HOUR_MS - 1)) == []
    assert list(found.closed(HOUR_MS)) == [Window(0, 900_000, summary([118.0, 122.0]))]
    assert [window.begin for window in found.closed(2 * HOUR_MS)] == [0, HOUR_MS]
    assert found.closing_after(HOUR_MS - 1) == HOUR_MS
    assert found.closing_after(HOUR_MS) == 2 * HOUR_MS
    assert found.closing_after(2 * HOUR_MS) is None


def test_a_window_keeps_a_bounded_sample_whose_median_is_that_of_all() -> None:
    rng, found, medians = np.random.default_rng(3), ReadingWindows(HOUR_MS), []
    for hour in range(50):
        values = rng.normal(120.0, 10.0, 600)
        for i, value in enumerate(values.tolist()):
            found.insert(rank_of(f"{hour} {i}"), hour * HOUR_MS + 6000 * i, value)
        medians.append(float(np.median(values)))
    assert len(found.times) == 50 * KEPT
    apart = [w.readings.median - m for w, m in zip(found.closed(50 * HOUR_MS), medians, strict=True)]
    assert abs(float(np.mean(apart))) < 3 * 10.0 * 1.25 / np.sqrt(KEPT * 50)
    assert float(np.std(apart)) < 1.5 * 10.0 * 1.25 / np.sqrt(KEPT)


def test_one_told_otherwise_contradicts_and_one_of_whom_all_are_gone_says_nothing() -> None:
    found = windows([(10, 118.0, False)], [0])
    assert found.insert(rank_of("reading 0"), 10_000, 118.0) is False
    assert found.insert(rank_of("reading 0"), 10_000, 119.0) is None
    assert found.take_back(rank_of("reading 0")) == 0
    assert found.take_back(rank_of("reading 0")) is None
    assert found.take_back(rank_of("never told")) is None
    assert list(found.closed(HOUR_MS)) == []


def test_what_is_held_does_not_count() -> None:
    found = windows([(10, 118.0, False), (7300, 130.0, False)], [0, 1])
    held = HeldNow((Stretch(0, HOUR_MS),))
    assert [window.readings.median for window in found.closed(3 * HOUR_MS, held)] == [130.0]
    assert [window.readings.median for window in found.closed(3 * HOUR_MS)] == [118.0, 130.0]
