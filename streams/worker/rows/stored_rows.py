"""State rows on disk: what a worker has read of the changelog, and written to it, at no memory.

A row has tens of kilobytes, and most belong to patients who say nothing for weeks. So they stand in a file, of which
the machine keeps in memory what is used. The file is this process's alone: it has no name, ends with the process, and
is made anew from the changelog by the next one.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import weakref
from collections.abc import Collection, Iterator
from pathlib import Path

from streams.worker.rows.state_row import calls_for_attention

CACHE_KIB = 8_192
"""Memory for pages of the file."""


class RowsUnwritable(RuntimeError):
    """The rows' file cannot be made or written; the message says where and why."""


class StoredRows:
    """The newest row of each patient, in a nameless file in folder ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            self._rows = _nameless(directory)
        except (OSError, sqlite3.Error) as error:
            raise self._unwritable(error) from error
        self.close = weakref.finalize(self, self._rows.close)

    def put(self, partition: int, key: bytes, row: bytes) -> None:
        """Keep the row in place of the patient's last one.

        Raises:
            RowsUnwritable: the disk is full, or fails.
        """
        try:
            self._rows.execute(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", (key, partition, calls_for_attention(row), row)
            )
        except sqlite3.Error as error:
            raise self._unwritable(error) from error

    def get(self, key: bytes) -> bytes | None:
        """The patient's row."""
        found = self._rows.execute("SELECT row FROM rows WHERE key = ?", (key,)).fetchone()
        return None if found is None else bytes(found[0])

    def calling(self) -> Iterator[bytes]:
        """Keys of the patients whose rows call for attention (`streams.worker.rows.state_row.calls_for_attention`)."""
        found = self._rows.execute("SELECT key FROM rows WHERE calls ORDER BY key").fetchall()
        return (key for (key,) in found)

    def patients(self) -> Iterator[bytes]:
        """Keys of all rows."""
        found = self._rows.execute("SELECT key FROM rows ORDER BY key").fetchall()
        return (key for (key,) in found)

    def keep(self, partitions: Collection[int]) -> None:
        """Forget the rows of all other partitions."""
        held = ", ".join(map(str, map(int, partitions)))
        self._rows.execute(f"DELETE FROM rows WHERE partition NOT IN ({held})")  # whole numbers of ours

    def _unwritable(self, error: Exception) -> RowsUnwritable:
        return RowsUnwritable(
            f"state rows cannot be kept in {self._directory}: {error}; make room there, or name another with --datadir"
        )


def _nameless(directory: Path) -> sqlite3.Connection:
    directory.mkdir(parents=True, exist_ok=True)
    handle, path = tempfile.mkstemp(dir=directory, prefix="rows-")  # for its owner alone
    os.close(handle)
    rows = sqlite3.connect(path, isolation_level=None, check_same_thread=False)  # closed by whichever collects it
    # Nothing has to outlive the process, so no write has to wait for the disk.
    for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}", "page_size = 16384"):
        rows.execute(f"PRAGMA {setting}").fetchall()
    rows.execute("CREATE TABLE rows (key BLOB PRIMARY KEY, partition INTEGER, calls INTEGER, row BLOB)")
    rows.execute("CREATE INDEX calling ON rows (key) WHERE calls")
    os.unlink(path)
    return rows
