"""How far a long command has come, on stderr: a moving bar on a terminal, else a plain line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

QUIET_SECONDS = 2.0
"""Work that is done sooner says nothing on plain output."""

REPORT_SECONDS = 5.0
"""Time between two plain lines."""

Reached = Callable[[int], None]
"""Takes how many units are done."""


@contextmanager
def progress(title: str, unit: str, total: int | None = None, *, stream: TextIO | None = None) -> Iterator[Reached]:
    """Show that ``title`` has reached so many of ``total`` units (where that is known) while the body runs."""
    target = sys.stderr if stream is None else stream
    if not target.isatty():
        yield PlainLines(title, unit, total, lambda line: print(line, file=target, flush=True))
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeElapsedColumn())
    with Progress(*shown, TimeRemainingColumn(), console=Console(file=target), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda reached: bar.update(task, completed=reached)


def said_moved(step: int, objective: float, numbers: str) -> None:
    """Say on stderr where a fit stands after a step, and which numbers moved most."""
    print(f"step {step}: objective {objective:.4f}; {numbers}", file=sys.stderr, flush=True)


class PlainLines:
    """A line now and then; ``clock`` gives seconds."""

    def __init__(
        self,
        title: str,
        unit: str,
        total: int | None,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title, self._unit, self._total = title, unit, total
        self._say, self._clock = say, clock
        self._next = clock() + QUIET_SECONDS

    def __call__(self, reached: int) -> None:
        now = self._clock()
        if now < self._next:
            return
        self._next = now + REPORT_SECONDS
        if self._total:
            share = 100 * reached / self._total
            self._say(f"{self._title}: {reached} of {self._total} {self._unit} ({share:.0f} %)")
        else:
            self._say(f"{self._title}: {reached} {self._unit}")
