"""Work on many patients in several processes: one task at a time each, results as they are finished.

They are processes of this machine, or of the cluster that a command was told (`streams.batch.cluster`).

Processes compute with one thread each, since a linear algebra library that splits a sum over threads rounds it
differently: so what comes out does not depend on how many processes there are, nor on whether there are any beside
this one.

Worker processes import the tasks' modules and nothing else: not the caller's script or notebook, which would run once
more in each of them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from streams.batch.cluster.spreading import ClusterLost, chosen
from streams.terminal.one_thread import ONE_THREAD
from twin.model.spec import Model
from twin.modelfile.reader import parse_model

Result = TypeVar("Result")


class WorkerLost(RuntimeError):
    """A worker process ended before its task was done, or a cluster does not do it."""


def cores() -> int:
    """Cores that this process may use: as many as ``PYTHON_CPU_COUNT`` names, as Python itself has it from 3.13 on."""
    named = os.environ.get("PYTHON_CPU_COUNT", "")
    if named.isdecimal() and int(named):
        return int(named)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_processes(jobs: int | None, tasks: int) -> int:
    """How many worker processes so many tasks get, when ``jobs`` are wanted (by default one a core).

    Where one would be all there are none: it would load everything a second time, and this process would wait for it.
    """
    several = min(jobs or cores(), tasks)
    return several if several > 1 else 0


def in_processes(task: Callable[..., Result], arguments: Sequence[tuple[Any, ...]], jobs: int) -> Generator[Result]:
    """``task(*each)`` for each of ``arguments``, begun in that order, in the order in which they are finished.

    Put the longest first, so that no process is left alone with one at the end. What the task raises is raised here.

    Args:
        task: a function of a module, which worker processes import.
        jobs: worker processes; with none the tasks are done here, one after the other. A cluster has its own.

    Raises:
        WorkerLost: a worker process was killed, e.g. for want of memory, or a cluster does not do the tasks.
    """
    if not arguments:
        return
    if (cluster := chosen()) is not None:
        try:
            yield from cluster.results(task, arguments)
        except ClusterLost as error:
            raise WorkerLost(str(error)) from None
        return
    if not jobs:
        for each in arguments:
            with threadpool_limits(1):
                result = task(*each)
            yield result
        return
    elder = set(active_children())
    with _environment(ONE_THREAD):
        # "spawn" starts from a clean interpreter: forking a process that has threads can lock up.
        pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_settle)
        try:
            with _without_main():
                waiting: set[Future[Result]] = {pool.submit(task, *each) for each in arguments}
            workers = set(active_children()) - elder
            for future in as_completed(waiting):
                waiting.discard(future)  # With the future its result is let go: all of them may be gigabytes.
                yield future.result()
        except BrokenProcessPool:
            pool.shutdown(wait=True)
            raise WorkerLost(
                f"a worker process ended early ({_ends(workers)}), which may be want of memory: try fewer --jobs"
            ) from None
        except BaseException:
            for child in set(active_children()) - elder:
                child.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def prepare(models: Iterable[Model], processes: int) -> None:
    """Refuse models that do not compile; compile them once here, for several processes to find in the cache.

    Raises:
        ModelError: an equation that cannot be used.
    """
    from twin.kernel.kernel import compile_model
    from twin.model.structure import analyse

    for model in models:
        analyse(model)
        if processes > 1:
            compile_model(model)


@lru_cache(maxsize=64)
def model_of(text: str, model_id: str) -> Model:
    """A model that came to this process as its text."""
    return parse_model(text, f"{model_id}.toml")


def _ends(workers: Iterable[BaseProcess]) -> str:
    """How processes of a broken pool ended. The pool itself terminates those that are left, which says nothing."""
    codes = {worker.exitcode for worker in workers}
    named = {signal.Signals(-code).name if code < 0 else f"exit code {code}" for code in codes if code is not None}
    return ", ".join(sorted(named - {"SIGTERM"} or named)) or "unknown"


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Variables that processes started inside inherit."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _without_main() -> Iterator[None]:
    """Processes started inside do not import the module that this one was started with (see the module's text).

    `multiprocessing` offers no other way than to show it a main module that came from nowhere.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _settle() -> None:
    """Leave interrupts to the parent, and end when it is gone: otherwise this process would wait for work for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
