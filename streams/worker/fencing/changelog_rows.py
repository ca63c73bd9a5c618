"""The state rows of the held partitions, as their changelog tells them: the newest holder's counts, not the last one.

Every holder of a partition has a *term* greater than that of all before it. It writes a mark with it before all else,
and each of its rows carries it. So a record of a smaller term than one before it in its partition comes from a worker
that held the partition once and did not know that it had lost it: it never counts, nor does a tombstone, which no
worker writes. What counts is then written again, before compaction can take it away; where nothing that counts is left,
the patient is sealed.

A term is the greatest that the changelog holds, plus the generation of the consumer group: the generation rises with
every change of holders, and the sum also where the group was deleted and its generations begin anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog
from faust import Table
from faust.types import TP

from streams.worker.rows.state_row import MARK, lost_row, term_after
from streams.worker.rows.stored_rows import StoredRows

_log = structlog.get_logger("dosetwin.worker")


class ChangelogRows(Table[bytes, bytes]):
    """Faust's table of rows, restored in the order of terms (see the module's docstring) and kept on disk.

    Attributes:
        outdated: partition of each patient whose newest record in the changelog is not the one that counts.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.outdated: dict[bytes, int] = {}
        self._terms: dict[int, int] = {}
        self._read: dict[int, int] = {}

    @cached_property
    def _stored(self) -> StoredRows:
        return StoredRows(Path(self.app.conf.datadir))

    def next_term(self, partition: int, generation: int) -> int:
        """The term of who takes the partition over now."""
        return self._terms.get(partition, 0) + generation

    def next_offset(self, partition: int) -> int:
        """Offset in the changelog up to which it was read."""
        return self._read.get(partition, -1) + 1

    def is_empty(self, partition: int) -> bool:
        """Whether the changelog of this partition held nothing at all."""
        return partition not in self._read

    def put(self, partition: int, key: bytes, row: bytes) -> None:
        """Our own row is durable."""
        self._stored.put(partition, key, row)

    def row(self, key: bytes) -> bytes | None:
        """The patient's row that counts."""
        return self._stored.get(key)

    def calling(self) -> Iterator[bytes]:
        """Keys of the patients whose rows call for attention."""
        return self._stored.calling()

    def patients(self) -> Iterator[bytes]:
        """Keys of all rows, of patients and of those who were erased."""
        return self._stored.patients()

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Faust's callback: these partitions are held, and no others any more."""
        self._stored.keep({tp.partition for tp in active_tps})
        await super().on_recovery_completed(active_tps, standby_tps)

    def close(self) -> None:
        """Give the rows' place on disk back."""
        if "_stored" in vars(self):  # else they have no place, or none could be made
            self._stored.close()

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Faust's callback: records of the changelog, in the order of each partition."""
        for event in batch:
            message = event.message
            self.read(message.partition, message.offset, message.key, message.value)

    def read(self, partition: int, offset: int, key: bytes, value: bytes | None) -> None:
        """One record of the changelog."""
        if offset <= self._read.get(partition, -1):  # read again from its beginning
            self._terms.pop(partition, None)
        self._read[partition] = offset
        term = term_after(self._terms.get(partition, 0), value)
        if value is not None and term is not None:
            self._terms[partition] = term
            if key != MARK:
                self.outdated.pop(key, None)
                self.put(partition, key, value)
            return
        if key == MARK:
            return
        self.outdated[key] = partition
        what = "a row was deleted" if value is None else "a worker wrote that had lost the partition"
        if self.row(key) is None:
            self.put(partition, key, lost_row(key, deleted=value is None))
        _log.warning("state row not taken", reason=what, partition=partition, offset=offset)
