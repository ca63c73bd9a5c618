"""Accesses that Kafka does not have yet, in order: in memory, and where a file is named there too, so that a console
that is killed while Kafka is away loses none.

The file is of one console at a time, readable by its user alone, one access a line. It is emptied as soon as Kafka has
all; a line that was being written when the machine stopped is no access yet and is dropped.
"""

from __future__ import annotations

import os
from collections import deque
from itertools import islice
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from connectors.audit.access import Access, encode, read_access


class SpoolError(ValueError):
    """The file cannot be used; the message names it and the mend."""


class Spool:
    """What waits.

    Args:
        path: the file; None: memory alone.

    Raises:
        SpoolError: another console has the file, or it cannot be read or written.
    """

    def __init__(self, path: Path | None) -> None:
        self._waiting: deque[Access] = deque()
        self._file: int | None = None
        if path is None:
            return
        self._lock = FileLock(f"{path}.lock", mode=0o600, timeout=0)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock.acquire()
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            os.fchmod(self._file, 0o600)
            self._end = self._left_over(path)
        except Timeout:
            raise SpoolError(f"{path} is another console's: name one of its own for each") from None
        except OSError as error:
            raise SpoolError(f"{path}: {error.strerror or error}") from None

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, access: Access) -> None:
        """One more; raises `OSError` where the disk does not take it, and then it does not wait."""
        if self._file is not None:
            line = encode(access) + b"\n"
            try:
                written = os.pwrite(self._file, line, self._end)
                if written < len(line):
                    raise OSError("the disk is full")
            except OSError:
                os.ftruncate(self._file, self._end)
                raise
            self._end += len(line)
        self._waiting.append(access)

    def oldest(self, most: int) -> list[Access]:
        """Those to be sent next, all of one console."""
        found = list(islice(self._waiting, most))
        return [access for access in found if access.seat == found[0].seat] if found else []

    def sent(self, count: int) -> None:
        """Kafka has so many of the oldest."""
        for _ in range(count):
            self._waiting.popleft()
        if self._file is not None and not self._waiting:
            os.ftruncate(self._file, 0)
            self._end = 0

    def close(self) -> None:
        """Let another have the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._lock.release()

    def _left_over(self, path: Path) -> int:
        """Take what an earlier console left; the length of what is good."""
        good = 0
        for line in path.read_bytes().splitlines(keepends=True):
            try:
                if not line.endswith(b"\n"):
                    break
                self._waiting.append(read_access(line))
            except msgspec.MsgspecError as error:
                raise SpoolError(
                    f"{path}: byte {good}: no access ({error}); move the file away and keep it, it is part of the trail"
                ) from None
            good += len(line)
        return good
