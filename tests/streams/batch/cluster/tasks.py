"""Tasks for a cluster."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def square(number: int) -> int:
    """Its square; a negative one is an error."""
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number * number


def end_first(number: int, mark: Path) -> int:
    """The number; the process that comes first leaves a mark and ends as if its machine were gone."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return number
    os.kill(os.getpid(), signal.SIGKILL)
    return -1


def end_always() -> None:
    """Ends each process that does it."""
    os.kill(os.getpid(), signal.SIGKILL)


def end_other(pid: int) -> None:
    """Ends another process, and waits for what becomes of us."""
    os.kill(pid, signal.SIGKILL)
    time.sleep(60)
