"""How long whoever guesses must wait."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from connectors.access.waits import MOST_KNOWN, Waits


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waits(clock: Clock) -> Waits:
    return Waits(free=3, first=1.0, longest=60.0, now=clock)


def test_each_failure_beyond_the_free_ones_doubles_the_wait(waits: Waits, clock: Clock) -> None:
    waited = []
    for _ in range(12):
        waited.append(waits.left("a"))
        clock.now += waits.left("a")
        assert waits.attempt("a") == 0.0
    assert waited == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert waits.left("b") == 0.0


def test_to_ask_while_one_must_wait_makes_it_no_longer(waits: Waits, clock: Clock) -> None:
    for _ in range(4):
        waits.attempt("a")
    clock.now += 0.25
    assert [waits.attempt("a") for _ in range(5)] == [0.75] * 5


def test_many_at_one_time_count_each(waits: Waits) -> None:
    assert [waits.attempt("a") for _ in range(10)] == [0.0] * 3 + [1.0] * 7


def test_what_was_good_is_forgiven_or_only_paid_back(waits: Waits) -> None:
    for key in ("forgiven", "refunded"):
        for _ in range(3):
            waits.attempt(key)
    waits.forgive("forgiven")
    waits.refund("refunded")
    assert waits.left("forgiven") == waits.left("refunded") == 0.0
    assert [waits.attempt("forgiven") for _ in range(3)] == [0.0] * 3
    assert [waits.attempt("refunded") for _ in range(2)] == [0.0, 1.0]


def test_failures_of_long_ago_are_forgotten(waits: Waits, clock: Clock) -> None:
    for _ in range(3):
        waits.attempt("a")
    clock.now += 121
    assert [waits.attempt("a") for _ in range(4)] == [0.0] * 3 + [1.0]


def test_whoever_brings_ever_new_names_does_not_fill_the_memory(waits: Waits) -> None:
    for number in range(MOST_KNOWN + 100):
        waits.attempt(str(number))
    assert len(waits._known) == MOST_KNOWN
