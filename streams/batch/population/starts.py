"""Several starts of a fit on all cores, with a file of those that have ended: an interrupted fit makes the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from streams.batch.population.question import Question
from streams.batch.population.search_file import as_hexes, of_hexes, write_down, written_down
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
    ends = {number: end for number, end in _kept(kept_at, key).items() if number < count}
    for number, end in sorted(ends.items()):
        told(number, end)
    tasks = [(question, number) for number in range(count) if number not in ends]
    with closing(in_processes(_ended, tasks, min(jobs, len(tasks)))) as results:
        for number, end in results:
            ends[number] = end
            _keep(kept_at, key, ends)
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


def _keep(path: Path, key: str, ends: dict[int, End]) -> None:
    said = {str(number): [end.objective.hex(), end.why, as_hexes(end.vector)] for number, end in ends.items()}
    write_down(path, key, {"ends": said})


def _kept(path: Path, key: str) -> dict[int, End]:
    """Ends of the same question; none where there are none."""
    content = written_down(path, key)
    try:
        ends = {} if content is None else content["ends"]
        return {
            int(number): End(of_hexes(vector), float.fromhex(objective), str(why))
            for number, (objective, why, vector) in ends.items()
        }
    except (ValueError, KeyError, TypeError):
        return {}
