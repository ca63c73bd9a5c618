"""Tasks in several processes: all results, what a task raises, and what is said of a process that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streams.batch.process_pool import WorkerLost, cores, in_processes, worker_processes


def square(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number * number


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def threads() -> str | None:
    assert np.ones(2).sum() == 2
    return os.environ.get("OPENBLAS_NUM_THREADS")


@pytest.mark.slow
def test_every_task_gives_its_result() -> None:
    assert sorted(in_processes(square, [(n,) for n in range(5)], 2)) == [0, 1, 4, 9, 16]
    assert list(in_processes(square, [], 2)) == []


@pytest.mark.slow
def test_what_a_task_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="-3 is negative"):
        list(in_processes(square, [(1,), (-3,)], 1))


@pytest.mark.slow
def test_processes_compute_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert list(in_processes(threads, [()], 1)) == ["1"]
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"


def test_without_jobs_the_tasks_are_done_here_one_after_the_other() -> None:
    assert list(in_processes(os.getpid, [(), ()], 0)) == [os.getpid()] * 2
    with pytest.raises(ValueError, match="-3 is negative"):
        list(in_processes(square, [(1,), (-3,)], 0))


def test_one_worker_alone_is_no_worker() -> None:
    assert [worker_processes(jobs, tasks) for jobs, tasks in ((1, 9), (2, 1), (2, 0), (None, 1))] == [0] * 4
    assert (worker_processes(2, 9), worker_processes(4, 3)) == (2, 3)


def test_by_default_there_is_a_process_for_each_core_or_as_many_as_python_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(6), raising=False)
    for told, found in (("3", 3), ("1", 1), ("default", 6), ("0", 6), ("", 6)):
        monkeypatch.setenv("PYTHON_CPU_COUNT", told)
        assert (cores(), worker_processes(None, 99)) == (found, found if found > 1 else 0)


@pytest.mark.slow
def test_a_script_without_a_guard_is_not_run_again_in_worker_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from operator import neg\n"
        "from streams.batch.process_pool import in_processes\n"
        "print(sorted(in_processes(neg, [(1,), (2,)], 2)))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[-2, -1]\n", "")


@pytest.mark.slow
def test_a_killed_process_is_said() -> None:
    with pytest.raises(WorkerLost, match="SIGKILL"):
        list(in_processes(kill_itself, [()], 1))
