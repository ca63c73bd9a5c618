"""Frontier and cadence, and the order of a barrier in the ward: outputs, rows, commit mark."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.worker.barrier import Cadence, Frontier
from tests.streams.worker.stage import START
from twin.events import to_millis

NOW = to_millis(START)


@given(st.permutations(range(12)))
def test_the_frontier_is_the_lowest_offset_not_done(order: list[int]) -> None:
    frontier = Frontier(0)
    for offset in range(12):
        frontier.admit(offset)
    done: set[int] = set()
    for offset in order:
        frontier.done(offset)
        done.add(offset)
        assert frontier.offset == next(number for number in range(13) if number not in done)


@given(st.lists(st.booleans(), max_size=30))
def test_a_record_that_is_handled_at_once_is_one_that_was_admitted_and_done(at_once: list[bool]) -> None:
    frontier, plain = Frontier(0), Frontier(0)
    for number, handled in enumerate(at_once):
        plain.admit(2 * number)
        if handled:
            frontier.passed(2 * number)
            plain.done(2 * number)
        else:
            frontier.admit(2 * number)
        assert frontier.offset == plain.offset
    for number in range(len(at_once)):
        frontier.done(2 * number)
    assert frontier.offset == max(2 * len(at_once) - 1, 0)
    with pytest.raises(ValueError, match="admitted after"):
        frontier.passed(-2)


def test_the_frontier_passes_over_holes_in_the_log() -> None:
    frontier = Frontier(3)
    for offset in (5, 9):
        frontier.admit(offset)
    frontier.done(5)
    assert frontier.offset == 9
    frontier.done(9)
    assert frontier.offset == 10


def test_offsets_must_be_admitted_in_order() -> None:
    frontier = Frontier(3)
    frontier.admit(4)
    with pytest.raises(ValueError, match="offset 4 admitted after 4"):
        frontier.admit(4)


def test_a_barrier_is_due_by_count_or_by_time() -> None:
    cadence = Cadence(events=3, seconds=10.0, since_time=100.0)
    assert not cadence.due(109.0)
    assert cadence.due(110.0)
    for _ in range(3):
        cadence.since_events += 1
    assert cadence.due(101.0)
    cadence.passed(101.0)
    assert not cadence.due(102.0)
