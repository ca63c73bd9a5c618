"""Threads for costly work, shared fairly between patients.

Work comes in *slices*, at most one of a patient at a time, and is taken in the order in which it came. What is done in
steps is a slice for each `LONG`, between which others have their turn. Two things keep others from waiting for a slice
that is long:

- a patient is *heavy* while its newest work has taken more than `LONG` of a processor: one whose work was only slow,
  because others' was beside it, must not have to wait behind theirs. Slices of heavy patients run one at a time;
- a slice that was not known to be heavy gives its place to the next when it has run for `LONG`, and goes on beside it.

So a slice that is not heavy waits `LONG` at most for each that came before it, and it is the processor that is shared
from then on, not the queue.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from twin.steps import Steps

LIGHT = 2
"""Slices at a time that are not heavy: kernels release the interpreter lock, so two keep two cores busy."""

HEAVY = 1
"""Slices of heavy patients at a time."""

OVERRUN = 5
"""Most slices at a time that have given their place to others."""

LONG = 0.1
"""Seconds after which a slice is heavy: a small part of what a patient may wait for its estimate."""

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class FairThreads:
    """See the module's docstring. ``clock`` gives seconds, ``processor`` those that the thread that asks has used.

    All methods are called on the event loop.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, processor: Callable[[], float] = time.thread_time
    ) -> None:
        self._pool = ThreadPoolExecutor(LIGHT + HEAVY + OVERRUN, thread_name_prefix="twin")
        self._clock = clock
        self._processor = processor
        self._lanes = {False: _Lane(LIGHT), True: _Lane(HEAVY)}
        self._overrun = 0
        self._heavy: set[str] = set()

    def is_heavy(self, patient_id: str) -> bool:
        """Whether the patient's newest work was long."""
        return patient_id in self._heavy

    async def run(self, patient_id: str, work: Callable[[*Arguments], Result], *args: *Arguments) -> Result:
        """Do work of a patient that is one slice in a thread, when it is its turn."""
        return await self._run(patient_id, [], work, *args)

    async def _run(
        self, patient_id: str, spent: list[float], work: Callable[[*Arguments], Result], *args: *Arguments
    ) -> Result:
        """Do one slice; ``spent`` says what the slices of the work so far have taken of a processor."""
        heavy = patient_id in self._heavy
        lane = self._lanes[heavy]
        await lane.enter()
        place = _Place(lane)
        try:
            slice_ = asyncio.get_running_loop().run_in_executor(self._pool, self._measured, spent, work, *args)
            if not heavy:
                done, _ = await asyncio.wait([slice_], timeout=LONG)
                if not done and self._overrun < OVERRUN:
                    self._overrun += 1
                    place.give_up()
                    try:
                        return await slice_
                    finally:
                        self._overrun -= 1
            return await slice_
        finally:
            place.give_up()
            (self._heavy.add if sum(spent) > LONG else self._heavy.discard)(patient_id)

    def _measured(self, spent: list[float], work: Callable[[*Arguments], Result], *args: *Arguments) -> Result:
        """Do the work and tell what it took of a processor."""
        begun = self._processor()
        try:
            return work(*args)
        finally:
            spent.append(self._processor() - begun)

    async def run_steps(self, patient_id: str, work: Steps[Result], wanted: Callable[[], bool]) -> Result | None:
        """Do a patient's work, a slice at a time; ``None`` where it is not ``wanted`` any more."""
        spent: list[float] = []
        while wanted():
            done = await self._run(patient_id, spent, self._slice, work)
            if done is not None:
                return done[0]
        work.close()
        return None

    def _slice(self, work: Steps[Result]) -> tuple[Result] | None:
        """Steps for as long as a slice may be; the result, if they were the last."""
        begun = self._clock()
        try:
            next(work)
            while self._clock() - begun <= LONG:
                next(work)
        except StopIteration as end:
            return (end.value,)
        return None

    def close(self) -> None:
        """Stop the threads; what they are doing is finished first."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class _Lane:
    """So many places, and who waits for one, first come first served."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class _Place:
    """A place that is given up once."""

    def __init__(self, lane: _Lane) -> None:
        self._lane: _Lane | None = lane

    def give_up(self) -> None:
        if self._lane is not None:
            self._lane.leave()
            self._lane = None
