"""What was freed goes back to the machine: a worker's memory follows what it holds, not the most it ever held.

The C library keeps a heap for each thread, and what is freed between two things that stay is kept for later. A worker's
threads take turns, so they share two heaps, and now and then the free pages of both are given back. Where the C library
is another than glibc there is nothing to do.
"""

from __future__ import annotations

import ctypes

HEAPS = 2
"""For the event loop and for the twins."""

_ARENA_MAX = -8
"""glibc's number of this option (malloc.h)."""

_libc = ctypes.CDLL(None)


def share_heaps() -> bool:
    """Let all threads that are still to come share `HEAPS` heaps; whether they will."""
    return hasattr(_libc, "malloc_trim") and bool(_libc.mallopt(_ARENA_MAX, HEAPS))


def trim() -> None:
    """Give free pages back to the machine, which takes some milliseconds."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(ctypes.c_size_t(0))
