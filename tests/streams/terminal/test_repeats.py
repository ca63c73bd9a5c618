"""A line that comes again and again is told a few times, and later how often it was not."""

from __future__ import annotations

from streams.terminal.repeats import MOST_KINDS, TOLD, WINDOW_SECONDS, Repeats


def test_a_flood_is_told_a_few_times_and_then_counted() -> None:
    now = 0.0
    repeats = Repeats(clock=lambda: now)
    assert [repeats.left_out("x") for _ in range(TOLD + 3)] == [0] * TOLD + [None] * 3
    assert repeats.left_out("another") == 0
    now = WINDOW_SECONDS
    assert [repeats.left_out("x"), repeats.left_out("x")] == [3, 0]


def test_twelve_thousand_lines_of_an_outage_become_a_dozen() -> None:
    now = 0.0
    repeats = Repeats(clock=lambda: now)
    told = 0
    for line in range(12_000):
        now = line / 100
        told += repeats.left_out("no connection") is not None
    assert told == 2 * TOLD


def test_what_is_remembered_of_many_kinds_is_bounded() -> None:
    repeats = Repeats()
    for kind in range(3 * MOST_KINDS):
        repeats.left_out(kind)
    assert len(repeats._kinds) <= MOST_KINDS
