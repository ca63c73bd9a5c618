"""Step functions: sums, amounts, and a pump that flutters."""

from __future__ import annotations

import doctest
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.clock import MINUTE_MS
from twin.timeline.pumps import steps as module
from twin.timeline.pumps.steps import FEW, amount_of, calmed, sum_of_steps, value_at


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(module).failed == 0


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5).map(float)), max_size=5, unique_by=lambda s: s[0]),
        max_size=4,
    )
)
def test_a_sum_of_steps_is_the_sum_at_every_moment(sources: list[list[tuple[int, float]]]) -> None:
    sources = [sorted(source) for source in sources]
    total = sum_of_steps(sources)
    for millis in range(-1, 52):
        assert value_at(total, millis) == sum(value_at(source, millis) for source in sources)
    values = [0.0, *(value for _, value in total)]
    assert all(a != b for a, b in pairwise(values))


@given(st.lists(st.tuples(st.integers(0, 4 * MINUTE_MS), st.sampled_from([0.0, 10.0, 40.0])), max_size=60))
def test_calming_leaves_few_changes_a_minute_and_what_each_minute_delivers(words: list[tuple[int, float]]) -> None:
    told = sum_of_steps([words])
    kept = calmed(told)
    assert kept == sum_of_steps([kept])
    changes = [millis // MINUTE_MS for millis, _ in kept if millis % MINUTE_MS]
    assert all(changes.count(minute) <= FEW for minute in changes)
    for end in range(MINUTE_MS, 7 * MINUTE_MS, MINUTE_MS):
        assert amount_of(kept, 0, end) == pytest.approx(amount_of(told, 0, end))
        assert value_at(kept, end) == value_at(told, end)
    if len(told) <= FEW:
        assert kept == told
