"""Pages of a history, kept until the last has come: a server sends the newest first, and they are read from the oldest.

What is more than a mebibyte stands in a file without a name, which ends with the process, beside the source's memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

IN_MEMORY = 1_048_576
"""Bytes that need no file."""


class Spool:
    """Pages in order of arrival; ``with`` it.

    Args:
        folder: of the file, readable by the feed's user alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(folder) if folder else None)  # noqa: SIM115 (closed with this)
        self._ends = [0]

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def put(self, page: bytes) -> None:
        """One more."""
        self._file.seek(self._ends[-1])
        self._file.write(page)
        self._ends.append(self._ends[-1] + len(page))

    def from_the_last(self) -> Iterator[bytes]:
        """All of them, the last first."""
        for start, end in zip(reversed(self._ends[:-1]), reversed(self._ends[1:]), strict=True):
            self._file.seek(start)
            yield self._file.read(end - start)
