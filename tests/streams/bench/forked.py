"""Commands as the benchmarks start them, forked from a process that has imported everything."""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from streams.bench.stream import _Process
from tests.streams.worker.forks import Forked


@contextlib.contextmanager
def forked(arguments: list[str], environment: dict[str, str]) -> Iterator[_Process]:
    """``dosetwin`` until the end of the block, then SIGTERM; ``arguments`` begin with how Python is to run it."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = Forked(arguments[2:], environment, output.fileno())
            try:
                yield _Process(process, log)  # type: ignore[arg-type]
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
