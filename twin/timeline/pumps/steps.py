"""Step functions of time, as rates are told: their sums, what they amount to, and how few changes are enough."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from twin.clock import HOUR_MS, MINUTE_MS

FEW = 4
"""Changes of a rate within a minute that are told apart; a pump that changes more often flutters, and no drug is faster
than a minute (assumed)."""

Steps = list[tuple[int, float]]
"""A step function of time: (from ms, value), sorted; zero before the first."""


def value_at(steps: Steps, millis: int) -> float:
    """Value from ``millis`` on."""
    at = bisect_right(steps, millis, key=lambda step: step[0]) - 1
    return steps[at][1] if at >= 0 else 0.0


def amount_of(steps: Steps, start: int, end: int) -> float:
    """What a rate (mg/h) comes to in [start, end), mg.

    >>> amount_of([(0, 4.0), (1_800_000, 0.0)], 0, 3_600_000)
    2.0
    """
    total = 0.0
    for i, (since, rate) in enumerate(steps):
        until = steps[i + 1][0] if i + 1 < len(steps) else end
        total += rate * max(0, min(until, end) - max(since, start)) / HOUR_MS
    return total


def sum_of_steps(sources: list[Steps]) -> Steps:
    """Sum of step functions, as a step function without repeated values.

    >>> sum_of_steps([[(0, 1.0), (10, 0.0)], [(5, 2.0)]])
    [(0, 1.0), (5, 3.0), (10, 2.0)]
    """
    if not sources:
        return []
    times = np.unique(np.array([millis for source in sources for millis, _ in source], dtype=np.int64))
    total = np.zeros(len(times))
    for source in sources:
        if source:
            at = np.searchsorted(np.array([millis for millis, _ in source]), times, side="right")
            total += np.concatenate([[0.0], [value for _, value in source]])[at]
    steps: Steps = []
    for millis, value in zip(times.tolist(), total.tolist(), strict=True):
        if value != (steps[-1][1] if steps else 0.0):
            steps.append((millis, value))
    return steps


def calmed(steps: Steps) -> Steps:
    """A step function with at most `FEW` changes in a minute: from the last of them to the minute's end holds the mean.

    What is delivered up to the end of each minute is the same.

    >>> calmed([(0, 1.0), (1, 2.0), (2, 3.0), (20_000, 4.0), (40_000, 0.0)])
    [(0, 1.0), (1, 2.0), (2, 3.0), (20000, 2.0), (60000, 0.0)]
    """
    if len(steps) <= FEW:
        return steps
    minute = np.array([millis for millis, _ in steps], dtype=np.int64) // MINUTE_MS
    crowded, counts = np.unique(minute, return_counts=True)
    if counts.max() <= FEW:
        return steps
    found: Steps = []
    at = 0
    for number, count in zip(crowded.tolist(), counts.tolist(), strict=True):
        within, end = steps[at : at + count], (number + 1) * MINUTE_MS
        at += count
        if count > FEW:
            rest = within[FEW - 1 :]
            mean = amount_of(rest, rest[0][0], end) / ((end - rest[0][0]) / HOUR_MS)
            within = [*within[: FEW - 1], (rest[0][0], mean), (end, rest[-1][1])]
        found += within
    return sum_of_steps([found])
