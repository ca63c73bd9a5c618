"""Late arrivals that come together are told together, ever more of them the longer it lasts."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from streams.worker.engine import KafkaRecord
from streams.worker.records import bursts as module
from streams.worker.records.bursts import FIRST_MS, LONGEST_MS, MOST, MOST_BYTES, MS_PER_HOUR, Burst
from streams.worker.records.received import ReceivedEvent
from tests.streams.worker.stage import START, lab
from twin.clock import MINUTE_MS
from twin.events import to_millis

LATEST = to_millis(START) + MINUTE_MS
"""The newest event time, which `late` is not behind."""


def late(timestamp: int, size: int = 100, hours: float = 0.0) -> ReceivedEvent:
    return ReceivedEvent(lab("A", 1 - 60 * hours), KafkaRecord("t", 0, timestamp, timestamp, None, b" " * size))


def told(timestamps: list[int]) -> list[list[int]]:
    """What is told together of late arrivals with these record times, and in the end of what still waits."""
    burst, found = Burst(), list[list[int]]()
    for timestamp in timestamps:
        if burst.has_ended(timestamp):
            found.append([one.record.timestamp for one in burst.close(LATEST)])
        if not burst.takes(late(timestamp), LATEST):
            found.append([timestamp])
    return [*found, *([[one.record.timestamp for one in burst.close(LATEST)]] if burst.waiting else [])]


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(module).failed == 0


def test_one_late_arrival_is_told_at_once_and_those_after_it_at_the_windows_end() -> None:
    assert told([5_000]) == [[5_000]]
    assert told([5_000, 5_001, 5_099, 5_100, 5_299, 5_300]) == [[5_000], [5_001, 5_099], [5_100, 5_299], [5_300]]
    assert told([5_000, 5_100, 5_200]) == [[5_000], [5_100], [5_200]]


def test_what_one_sender_sends_in_one_go_waits_less_than_a_result_may() -> None:
    stored = [7_000 + number // 2 for number in range(150)]  # of a wearable, as the ward's arrive at 2,000 events/s
    first, rest = told(stored)
    assert (len(first), len(rest)) == (1, 149)
    burst = Burst()
    assert not burst.takes(late(stored[0]), LATEST)
    assert burst.ends - stored[1] <= 100, "150 ms with the fold and the way to the broker"


def test_late_arrivals_without_end_are_told_ever_more_rarely() -> None:
    every_second = list(range(0, 3_600_000, 1_000))
    assert len(told(every_second)) <= 3_600_000 // LONGEST_MS * 2
    thousand_at_once = [7_000 + number // 12 for number in range(1_000)]
    assert len(told(thousand_at_once)) == 2


def test_a_window_lasts_as_long_as_it_takes_to_fold_what_is_reached_back_over() -> None:
    years = 2 * 366 * 24
    burst = Burst()
    assert not burst.takes(late(0, hours=years), LATEST)
    assert burst.ends == MS_PER_HOUR * years
    corrected = [burst.takes(late(20 * number, hours=years), LATEST) for number in range(1, 1_500)]
    assert all(corrected), "1,500 corrections of a record's start in half a minute"
    assert not burst.has_ended(30_000), "so that they cost one fold"
    assert len(burst.close(LATEST)) == 1_499
    assert burst.length == max(LONGEST_MS, MS_PER_HOUR * years)


def test_what_was_told_together_sets_the_next_window() -> None:
    burst = Burst()
    assert not burst.takes(late(0), LATEST)
    assert burst.takes(late(1, hours=1_000), LATEST)
    burst.close(LATEST)
    assert burst.ends == FIRST_MS + 1_000 * MS_PER_HOUR


def test_a_window_ends_early_when_much_waits() -> None:
    assert max(map(len, told([0] * (3 * MOST)))) == MOST
    burst = Burst()
    assert not burst.takes(late(0), LATEST)
    assert burst.takes(late(1, MOST_BYTES), LATEST)
    assert burst.has_ended(2)


@given(st.lists(st.integers(0, 20 * FIRST_MS), max_size=40))
def test_each_late_arrival_is_told_once_in_the_order_in_which_they_came(timestamps: list[int]) -> None:
    assert [timestamp for together in told(timestamps) for timestamp in together] == timestamps
