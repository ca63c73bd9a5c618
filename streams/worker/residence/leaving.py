"""Who leaves memory: twins that heard nothing for a while, and beyond so many those that heard nothing for longest.

A twin leaves when nothing is to come of it by itself and its row is permanent; it comes back from that row at its
patient's next event, as after a crash, to the same bits. One that is sealed stays: whoever asks is told of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice

from streams.worker.residence.heap import trim
from streams.worker.residence.patients import Patients
from streams.worker.turns.queues import PatientQueue

IDLE_SECONDS = 900.0
"""Default time after which a twin that heard nothing leaves memory: more than a pause of a wearable."""

MOST_RESIDENT = 4_000
"""Default most twins in memory at a time: some 1 GB, with the row that is kept of each."""

LOOK_SECONDS = 1.0
"""Between two looks at who may leave."""

TRIM_SECONDS = 30.0
"""Between two times at which memory that was freed goes back to the machine."""

AT_ONCE = 64
"""Rows written at a time for those who must leave before the next barrier."""


class Leaving:
    """See the module's docstring. ``write_row`` makes a patient's state permanent and says whether it did."""

    def __init__(
        self,
        patients: Patients,
        write_row: Callable[[PatientQueue], Awaitable[bool]],
        idle_seconds: float = IDLE_SECONDS,
        most: int = MOST_RESIDENT,
    ) -> None:
        self._patients = patients
        self._write_row = write_row
        self._idle_seconds = idle_seconds
        self._most = most
        self._next_look = self._next_trim = 0.0
        self._making_room: asyncio.Task[None] | None = None

    def tick(self, now: float) -> None:
        """Look who may leave, now and then; ``now`` is monotonic seconds. Raises what failed since the last call."""
        if self._making_room is not None:
            if not self._making_room.done():
                return
            task, self._making_room = self._making_room, None
            task.result()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        if now >= self._next_trim:
            self._next_trim = now + TRIM_SECONDS
            trim()
        over = self._patients.resident - self._most
        resting = [queue for queue in self._patients.all_residents() if _rests(queue)]
        if over > 0:
            resting.sort(key=lambda queue: queue.heard)
            self._making_room = asyncio.create_task(self._make_room(resting[:over]))
        for queue in resting:
            if now - queue.heard >= self._idle_seconds and not (queue.dirty or queue.unsettled):
                self._patients.leave(queue)

    def stop(self) -> None:
        """The patients are another worker's from now on."""
        if self._making_room is not None:
            self._making_room.cancel()
            self._making_room = None

    async def _make_room(self, silent: list[PatientQueue]) -> None:
        """Let these leave, with their rows written where they are not."""
        rest = iter(silent)
        while some := list(islice(rest, AT_ONCE)):
            await asyncio.gather(*map(self._leave, some))

    async def _leave(self, queue: PatientQueue) -> None:
        async with queue.turn:
            if queue.dirty and not await self._write_row(queue):
                return
        if _rests(queue) and not (queue.dirty or queue.unsettled):
            self._patients.leave(queue)


def _rests(queue: PatientQueue) -> bool:
    """Whether nobody works at the patient, nothing waits, and nothing is to come by itself."""
    state = queue.state
    return (
        state is not None
        and queue.worker is None
        and not (queue.pending or queue.abandoned or queue.turn.locked())
        and not (state.outbox or state.withheld or state.burst.waiting)
        and state.quarantined is None
    )
