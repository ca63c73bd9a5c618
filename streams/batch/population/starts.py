"""Several starts of a fit on all cores, with a file of those that have ended: an interrupted fit makes the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from streams.batch.population.question import Question
from streams.batch.population.search_file import as_hexes, keep_each, kept_each, of_hexes
from streams.batch.process_pool import in_processes
from twin.population.means.approach import sought
from twin.population.search import State, bounds
from twin.population.starts import End, start

Told = Callable[[int, End], None]
"""Is told of each start its number and where it ended."""


def from_starts(question: Question, count: int, jobs: int, told: Told, kept_at: Path, key: str) -> list[End]:
    """The ends of so many starts.

    Args:
        kept_at: where ends are written down as they come.
        key: of what is fitted to what, and how.

    Raises:
        WorkerLost: a worker process was killed.
    """
    ends = {number: end for number, end in kept_each(kept_at, key, _read).items() if number < count}
    for number, end in sorted(ends.items()):
        told(number, end)
    tasks = [(question, number) for number in range(count) if number not in ends]
    with closing(in_processes(_ended, tasks, min(jobs, len(tasks)))) as results:
        for number, end in results:
            ends[number] = end
            keep_each(kept_at, key, {one: _said(end) for one, end in ends.items()})
            told(number, end)
    return [ends[number] for number in range(count)]


def _ended(question: Question, number: int) -> tuple[int, End]:
    """Where one start ends; runs in a worker process."""
    theta = question.cohort().theta
    vector = start(theta, number)
    try:
        state, here = sought(question.objective(), State(vector), lambda *_: None, bounds(theta))
    except (FloatingPointError, np.linalg.LinAlgError):
        return number, End(vector, math.nan, "where it began: nothing is finite there")
    return number, End(here.vector, here.total, state.why)


def _said(end: End) -> list[object]:
    return [end.objective.hex(), end.why, as_hexes(end.vector)]


def _read(objective: str, why: str, vector: list[str]) -> End:
    return End(of_hexes(vector), float.fromhex(objective), why)
