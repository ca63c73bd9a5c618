"""Tasks on a cluster of Dask, and the results as they are finished.

A task and its result travel as the bytes that a worker process of this machine would get and give, and each is done
with one thread for linear algebra: so results are the same to the last bit. A task whose worker ends is done again by
another; tasks keep no state, so nobody sees it.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from streams.batch.cluster.address import ClusterUnusable, security_of, settings_for
from streams.batch.cluster.likeness import PROCESSOR, Likeness, WorkerUnlike, check, likeness

if TYPE_CHECKING:
    from distributed import Client, Future

ANSWER_SECONDS = 10.0
"""A scheduler that has not answered after so long is not there."""

WORKER_SECONDS = 30.0
"""So long a cluster may be without any worker."""

LARGEST_TASK = "1 GB"
"""Dask warns of tasks of 10 MB; a batch of patients' records may be larger."""

Result = TypeVar("Result")


class ClusterLost(RuntimeError):
    """A cluster does not do what it was given; the message names its address and the mend."""


class Cluster:
    """A connection to a scheduler, for one command or block of Python."""

    def __init__(self, address: str, client: Client, wanted: Likeness) -> None:
        """
        Args:
            wanted: what decides results, as workers must have it.
        """
        self._address, self._client, self._wanted = address, client, wanted

    def results(self, task: Callable[..., Result], arguments: Sequence[tuple[Any, ...]]) -> Generator[Result]:
        """``task(*each)`` for each of ``arguments``, begun about in that order, as they are finished.

        Raises:
            ClusterLost: the scheduler went, no worker is left, workers ended again and again or would give others.
        """
        import dask
        from distributed import CancelledError

        finished: SimpleQueue[Future[Any]] = SimpleQueue()
        waiting: set[Future[Any]] = set()
        try:
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": LARGEST_TASK}):
                for each in arguments:
                    payload = pickle.dumps((task, each), pickle.HIGHEST_PROTOCOL)
                    future = self._client.submit(perform, self._wanted, payload, pure=False)
                    waiting.add(future)
                    future.add_done_callback(finished.put)
            while waiting:
                future = self._next(finished)
                waiting.discard(future)  # With the future the cluster lets its result go.
                yield self._result_of(future)
        except (CancelledError, asyncio.CancelledError):
            raise ClusterLost(
                f"the scheduler at {self._address} went in the middle; start it, and this, again"
            ) from None
        finally:
            if waiting:
                with contextlib.suppress(Exception):  # Of a scheduler that is gone nothing need be taken back.
                    self._client.cancel(list(waiting))

    def _next(self, finished: SimpleQueue[Future[Any]]) -> Future[Any]:
        """The next that is finished; a cluster that lost all workers is waited for a while."""
        while True:
            try:
                return finished.get(timeout=WORKER_SECONDS)
            except Empty:
                self.await_worker()

    def await_worker(self) -> None:
        """Wait until there is a worker.

        Raises:
            ClusterLost: there is none for `WORKER_SECONDS`.
        """
        try:
            self._client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError:
            mend = f"start some on your machines: dask worker {self._address} --nthreads 1"
            raise ClusterLost(f"the cluster at {self._address} has no worker: {mend}") from None

    def _result_of(self, future: Future[Any]) -> Any:
        """What a task returned; raises what it raised."""
        from distributed import KilledWorker

        if future.status != "error":
            return pickle.loads(future.result())
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise ClusterLost(
                f"workers of the cluster at {self._address} ended early, one after the other, with the same task: it "
                "may want more memory than dask worker --memory-limit gives"
            ) from None
        if isinstance(error, WorkerUnlike):
            raise ClusterLost(
                f"the cluster at {self._address} would give other results: {error}; install the same there, or end "
                "that worker"
            ) from None
        if _without_dosetwin(error):
            raise ClusterLost(
                f"a worker of the cluster at {self._address} cannot load dosetwin: install the same version there "
                f"({error})"
            ) from None
        raise error


def perform(wanted: Likeness, payload: bytes) -> bytes:
    """Do one task; runs in a worker of the cluster.

    Raises:
        WorkerUnlike: results would be others here.
    """
    from distributed import get_worker
    from threadpoolctl import threadpool_limits

    try:
        check(wanted)
    except WorkerUnlike as error:
        raise WorkerUnlike(f"worker {get_worker().address} has {error}") from None
    # For good: a worker may do several tasks at a time, and the end of one must not free the threads of another.
    threadpool_limits(1)
    task, each = pickle.loads(payload)
    return pickle.dumps(task(*each), pickle.HIGHEST_PROTOCOL)


_chosen: ContextVar[Cluster | None] = ContextVar("chosen", default=None)


def chosen() -> Cluster | None:
    """The cluster that work goes to here; none: it is done on this machine."""
    return _chosen.get()


@contextmanager
def on_cluster(address: str | None) -> Iterator[None]:
    """Everything inside that is spread over processes is spread over the cluster of a scheduler instead.

    Args:
        address: ``tls://host:port``, or ``tcp://host:port`` on this machine; with none nothing changes.

    Raises:
        ClusterUnusable: Dask is not installed, the address cannot be used, or nobody answers there.
        ClusterLost: there is no worker.
    """
    if address is None:
        yield
        return
    settings = settings_for(address)
    wanted = dict(likeness())
    if settings.processors == "any":
        del wanted[PROCESSOR]
    with _connected(address, settings) as client:
        cluster = Cluster(address, client, wanted)
        cluster.await_worker()
        before = _chosen.set(cluster)
        try:
            yield
        finally:
            _chosen.reset(before)


@contextmanager
def _connected(address: str, settings: Any) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError:
        raise ClusterUnusable(
            f"--cluster {address}: Dask is not installed; install it here and on every machine of the cluster with "
            "pip install 'dosetwin[cluster]'"
        ) from None
    try:
        client = Client(address, timeout=ANSWER_SECONDS, security=security_of(address, settings), set_as_default=False)
    except OSError as error:
        raise ClusterUnusable(
            f"--cluster {address}: no scheduler answers there ({error}); start one with 'dask scheduler', or leave "
            "--cluster out to work on this machine alone"
        ) from None
    with client:
        yield client


def _without_dosetwin(error: BaseException) -> bool:
    """Could a worker not even load what does the tasks?"""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ModuleNotFoundError) and (seen.name or "").split(".")[0] in ("streams", "twin"):
            return True
        seen = seen.__cause__
    return False
