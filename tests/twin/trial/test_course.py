"""What was an event."""

from __future__ import annotations

import numpy as np

from twin.clock import DAY_MS
from twin.trial.course import TrueCourse

HALF_DAYS = np.arange(40) * DAY_MS // 2


def course(*low: tuple[float, float]) -> TrueCourse:
    """2.0, but 0.3 from and until these days."""
    days = HALF_DAYS / DAY_MS
    values = np.full(len(days), 2.0)
    for start, end in low:
        values[(days >= start) & (days <= end)] = 0.3
    return TrueCourse(HALF_DAYS, values)


def in_days(spells: tuple[tuple[int, int], ...]) -> list[tuple[float, float]]:
    return [(start / DAY_MS, end / DAY_MS) for start, end in spells]


def test_dips_that_lie_close_together_are_one_event_and_others_are_not() -> None:
    assert in_days(course((3, 5), (6, 7)).spells_below(0.5)) == [(3, 7)]
    assert in_days(course((3, 5), (8, 9)).spells_below(0.5)) == [(3, 5), (8, 9)]
    assert course().spells_below(0.5) == ()


def test_a_course_that_is_under_the_limit_at_its_edges_has_events_there() -> None:
    assert in_days(course((0, 1), (18, 19.5)).spells_below(0.5)) == [(0, 1), (18, 19.5)]


def test_only_what_lies_in_the_window_counts_as_under_the_limit() -> None:
    found = course((3, 5))
    assert found.falls_below(0.5, 5 * DAY_MS, 9 * DAY_MS)
    assert not found.falls_below(0.5, 6 * DAY_MS, 9 * DAY_MS)
    assert not found.falls_below(0.2, 0, 9 * DAY_MS)


def test_what_has_to_last_counts_from_its_beginning_even_before_the_window() -> None:
    found = course((3, 8))
    assert found.falls_below(0.5, 6 * DAY_MS, 7 * DAY_MS, lasting=4 * DAY_MS)
    assert not found.falls_below(0.5, 6 * DAY_MS, 7 * DAY_MS, lasting=5 * DAY_MS)
