"""Several starts of a fit on all cores, with a file of those that have ended: an interrupted fit makes the others."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from streams.batch.population.question import Question
from streams.batch.process_pool import in_processes
from twin.arrays import Floats
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
    content = {
        "key": key,
        "ends": {str(number): [end.objective.hex(), end.why, _hexes(end.vector)] for number, end in ends.items()},
    }
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(content))
    os.replace(beside, path)


def _hexes(vector: Floats) -> list[str]:
    return [value.hex() for value in vector.tolist()]


def _kept(path: Path, key: str) -> dict[int, End]:
    """Ends of the same question; none where there are none."""
    try:
        content = json.loads(path.read_text())
        if content["key"] != key:
            return {}
        return {
            int(number): End(np.array([float.fromhex(one) for one in vector]), float.fromhex(objective), str(why))
            for number, (objective, why, vector) in content["ends"].items()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}
