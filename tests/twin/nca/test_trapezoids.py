"""Pieces against integrals that can be written down."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.nca.trapezoids import RULES, Course, Rule

courses = st.lists(
    st.tuples(st.floats(0.01, 10.0), st.floats(0.0, 1e3).map(lambda value: value if value > 1e-6 else 0.0)),
    min_size=2,
    max_size=12,
)


def course(steps: list[tuple[float, float]], rule: Rule) -> Course:
    times = np.cumsum([length for length, _ in steps])
    values = np.array([value for _, value in steps])
    return Course.by(rule, times, values)


def test_an_exponential_is_exact_however_few_points_lie_on_it() -> None:
    times = np.array([0.0, 1.0, 5.0, 24.0])
    values = 10.0 * np.exp(-0.2 * times)
    found = Course.by("linear_up_log_down", times, values)
    end = 24.0
    assert found.areas().sum() == pytest.approx(10.0 / 0.2 * (1 - np.exp(-0.2 * end)), rel=1e-12)
    moment = 10.0 * ((1 - np.exp(-0.2 * end)) / 0.04 - end * np.exp(-0.2 * end) / 0.2)
    assert found.moments().sum() == pytest.approx(moment, rel=1e-12)


def test_a_straight_line_is_exact() -> None:
    times = np.array([0.0, 1.0, 4.0])
    found = Course.by("linear", times, 2.0 + 3.0 * times)
    assert found.areas().sum() == pytest.approx(2 * 4 + 3 * 16 / 2)


def test_exponentials_are_taken_where_the_rule_says_and_where_they_can_be() -> None:
    times, values = np.arange(7.0), np.array([0.0, 4.0, 2.0, 3.0, 3.0, 1.0, 0.0])
    told = {rule: Course.by(rule, times, values).logarithmic.tolist() for rule in RULES}
    assert told == {
        "linear": [False] * 6,
        "linear_up_log_down": [False, True, False, False, True, False],
        "linear_log": [False, True, True, False, True, False],
    }


@given(courses, st.sampled_from(RULES), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_parts_of_a_course_add_up_to_it(
    steps: list[tuple[float, float]], rule: Rule, first: float, second: float
) -> None:
    whole = course(steps, rule)
    begin, end = float(whole.times[0]), float(whole.times[-1])
    cuts = sorted({begin, begin + first * (end - begin), begin + second * (end - begin), end})
    parts = [whole.within(a, b).areas().sum() for a, b in pairwise(cuts) if b - a > 1e-6]
    assert sum(parts) == pytest.approx(whole.areas().sum(), rel=1e-6, abs=1e-3)


@given(courses, st.sampled_from(RULES), st.floats(0.01, 100.0))
def test_units_of_concentration_and_time_only_scale(
    steps: list[tuple[float, float]], rule: Rule, factor: float
) -> None:
    one = course(steps, rule)
    other = Course(one.times * factor, one.values * 3.0, one.logarithmic)
    assert other.areas().sum() == pytest.approx(3.0 * factor * one.areas().sum(), rel=1e-9)
    assert other.moments().sum() == pytest.approx(3.0 * factor**2 * one.moments().sum(), rel=1e-9)
