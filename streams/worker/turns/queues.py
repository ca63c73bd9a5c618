"""What a worker holds of each patient while records come in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass, field

from streams.worker.engine import KafkaRecord
from streams.worker.records.received import ReceivedEvent, read_again
from streams.worker.rows.patient_state import PatientState

DECODED = 64
"""Waiting records of a patient that stay decoded: each is some 3 kB more than its bytes."""


@dataclass(slots=True)
class PatientQueue:
    """One patient's queue. Whoever handles events or writes the row holds ``turn``.

    ``state`` is ``None`` while the patient is not resident; ``heard`` is when the newest record came (monotonic s).
    """

    patient_id: str
    partition: int
    state: PatientState | None = None
    pending: deque[ReceivedEvent | KafkaRecord] = field(default_factory=deque)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    worker: asyncio.Task[None] | None = None
    unsettled: list[Awaitable[object]] = field(default_factory=list)
    dirty: bool = False
    abandoned: bool = False
    burst_ended: bool = False
    heard: float = 0.0

    @property
    def key(self) -> bytes:
        return self.patient_id.encode()

    def wait(self, arrival: ReceivedEvent) -> None:
        """Let an arrival wait its turn: behind many others as its bytes alone, or a flood would fill the memory."""
        self.pending.append(arrival if len(self.pending) < DECODED else arrival.record)

    def next(self, most: int) -> list[ReceivedEvent]:
        """The arrivals whose turn it is, up to so many."""
        taken = (self.pending.popleft() for _ in range(min(most, len(self.pending))))
        return [read_again(each) if isinstance(each, KafkaRecord) else each for each in taken]
