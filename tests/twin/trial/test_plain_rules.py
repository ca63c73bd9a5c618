"""Plain rules on the same results."""

from __future__ import annotations

from twin.clock import DAY_MS
from twin.trial.plain_rules import CALENDAR_MS, Result, plain_rules
from twin.trial.warnings import Standing


def results(*values: tuple[float, float]) -> list[Result]:
    """By the day drawn, known half a day later."""
    return [Result(round((day + 0.5) * DAY_MS), round(day * DAY_MS), value) for day, value in values]


def days(standings: tuple[Standing, ...]) -> list[tuple[float, float | None]]:
    return [(one.raised / DAY_MS, None if one.ended is None else one.ended / DAY_MS) for one in standings]


def test_a_low_count_stands_from_when_it_is_known_until_one_that_is_not_low_is() -> None:
    found = plain_rules(results((1, 2.0), (5, 0.9), (7, 0.7), (9, 1.4), (20, 0.4)), [], 0.5, 30 * DAY_MS)
    assert days(found["low_count"]) == [(5.5, 9.5), (20.5, None)]


def test_a_result_that_comes_after_a_newer_one_changes_nothing() -> None:
    late = [*results((5, 0.9), (9, 1.4)), Result(12 * DAY_MS, 6 * DAY_MS, 0.6)]
    assert days(plain_rules(late, [], 0.5, 30 * DAY_MS)["low_count"]) == [(5.5, 9.5)]


def test_the_calendar_warns_of_everyone_after_each_course_that_began_in_the_watch() -> None:
    found = plain_rules([], [0, 21 * DAY_MS, 42 * DAY_MS], 0.5, 30 * DAY_MS)
    assert [one.ended - one.raised for one in found["calendar"] if one.ended] == [CALENDAR_MS] * 2


def test_who_was_under_the_limit_in_a_course_is_warned_of_throughout_the_next() -> None:
    found = plain_rules(results((8, 0.4), (29, 0.7)), [0, 21 * DAY_MS, 42 * DAY_MS], 0.5, 60 * DAY_MS)
    assert days(found["before"]) == [(21.0, 42.0)]
