"""One thread for linear algebra: the matrices of a twin are small, and threads that share one cost more than they save.

Where several processes share a machine, threads of OpenBLAS wait for one another by spinning: a product that takes a
thread a microsecond takes two of them fifty. Sums are also added in another order by each number of threads, so that
results would depend on the number of cores.
"""

from __future__ import annotations

import os

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
"""Environment of a process that computes, and of those that it starts."""


def by_one_thread() -> None:
    """As long as nothing numerical is loaded yet: compute with one thread, unless the user's environment says more."""
    for name, threads in ONE_THREAD.items():
        os.environ.setdefault(name, threads)
