"""Records that were taken and are not handled yet: how many may wait, and who has to rest.

Kafka is the buffer, so reading pauses while too many wait. One patient with more than its share counts no more than
its share, or a flood of one patient's corrections would stop reading for all; only what it may hold in memory is
limited, and where that is reached its partition rests and the others go on.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

from connectors.kafka.topics import MIB

MOST = 1_000
"""Records that may wait, of each patient no more than `SHARE` counted; then reading pauses."""

SHARE = 10
"""Records of one patient that count."""

PATIENT_BYTES = 4 * MIB
"""Bytes of one patient's waiting records at which its partition rests."""

MOST_BYTES = 64 * MIB
"""Bytes of all that waits at which reading pauses."""


class WaitingRecords:
    """Counts what waits, by patient."""

    def __init__(self) -> None:
        self._records: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._full: defaultdict[int, set[str]] = defaultdict(set)
        self._counted = self._size = 0
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return self._records.total()

    @property
    def is_full(self) -> bool:
        """Whether reading has to pause."""
        return not self._room.is_set()

    @property
    def resting(self) -> set[int]:
        """Partitions of which no more is to be taken now."""
        return {number for number, patients in self._full.items() if patients}

    async def room(self) -> None:
        """Return when one more record may be taken."""
        await self._room.wait()

    def add(self, patient_id: str, partition: int, size: int) -> None:
        """A record of so many bytes waits."""
        self._counted += self._records[patient_id] < SHARE
        self._records[patient_id] += 1
        self._bytes[patient_id] += size
        self._size += size
        self._look(patient_id, partition)

    def remove(self, patient_id: str, partition: int, count: int, size: int) -> None:
        """So many records of a patient, and their bytes, wait no longer."""
        before = self._records[patient_id]
        self._counted -= min(before, SHARE) - min(before - count, SHARE)
        self._records[patient_id] -= count
        self._bytes[patient_id] -= size
        self._size -= size
        self._look(patient_id, partition)
        if not self._records[patient_id]:
            del self._records[patient_id], self._bytes[patient_id]

    def clear(self) -> None:
        """Nothing waits any more."""
        self._records.clear()
        self._bytes.clear()
        self._full.clear()
        self._counted = self._size = 0
        self._room.set()

    def _look(self, patient_id: str, partition: int) -> None:
        full = self._full[partition]
        (full.add if self._bytes[patient_id] >= PATIENT_BYTES else full.discard)(patient_id)
        pauses = self._counted >= MOST or self._size >= MOST_BYTES
        (self._room.clear if pauses else self._room.set)()
