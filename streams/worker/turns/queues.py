"""What a worker holds of each patient while records come in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass, field

from streams.worker.records.received import ReceivedEvent
from streams.worker.rows.patient_state import PatientState


@dataclass(slots=True)
class PatientQueue:
    """One patient's queue. Whoever handles events or writes the row holds ``turn``.

    ``state`` is ``None`` while the patient is not resident; ``heard`` is when the newest record came (monotonic s).
    """

    patient_id: str
    partition: int
    state: PatientState | None = None
    pending: deque[ReceivedEvent] = field(default_factory=deque)
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
