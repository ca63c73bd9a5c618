"""Stopping in order: a signal sets an event, and whoever works looks at it; what then hangs is ended all the same."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

GRACE_SECONDS = 9.0
"""From the signal until the process is ended as it is: a write that hangs must not hold it up."""

STOPPED_HARD = 1
"""Exit code of a process that had to be ended."""

_log = structlog.get_logger("dosetwin")


def stop_at_signals(end: Callable[[int], object] = os._exit, grace: float = GRACE_SECONDS) -> threading.Event:
    """Set at SIGTERM or SIGINT, so that what is on its way is still finished and counted.

    What is not finished ``grace`` seconds later, or at a second signal, is left: ``end`` is called with an exit code.
    """
    stop = threading.Event()

    def caught(number: int, _frame: object) -> None:
        if stop.is_set():
            end(128 + number)
        stop.set()
        end_after_grace(end, grace)

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, caught)
    return stop


def end_after_grace(end: Callable[[int], object] = os._exit, seconds: float = GRACE_SECONDS) -> threading.Timer:
    """End this process in so many seconds, whatever it is doing then."""

    def late() -> None:
        _log.error("did not stop in time and is ended; what was on its way is read or sent again", seconds=seconds)
        end(STOPPED_HARD)

    timer = threading.Timer(seconds, late)
    timer.daemon = True
    timer.start()
    return timer


@contextmanager
def ended_if_late(seconds: float, end: Callable[[int], object] = os._exit) -> Iterator[None]:
    """End this process where what is done here is not done within so many seconds."""
    late = end_after_grace(end, seconds)
    try:
        yield
    finally:
        late.cancel()
