"""Tasks in several processes: all results, what a task raises, and what is said of a process that was killed."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from streams.batch.process_pool import WorkerLost, in_processes


def square(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number * number


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def threads() -> str | None:
    assert np.ones(2).sum() == 2
    return os.environ.get("OPENBLAS_NUM_THREADS")


def test_every_task_gives_its_result() -> None:
    assert sorted(in_processes(square, [(n,) for n in range(5)], 2)) == [0, 1, 4, 9, 16]
    assert list(in_processes(square, [], 2)) == []


def test_what_a_task_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="-3 is negative"):
        list(in_processes(square, [(1,), (-3,)], 1))


def test_processes_compute_with_one_thread() -> None:
    before = os.environ.get("OPENBLAS_NUM_THREADS")
    assert list(in_processes(threads, [()], 1)) == ["1"]
    assert os.environ.get("OPENBLAS_NUM_THREADS") == before


def test_a_killed_process_is_said() -> None:
    with pytest.raises(WorkerLost, match="SIGKILL"):
        list(in_processes(kill_itself, [()], 1))
