"""Twins of this worker moved to released versions: one patient after the other, beside what comes in.

    for each patient whose model was replaced:
        say 'model_move' on the topic of commands, under the patient's key
        wait until it was handled, as any event of the patient is
        rest, three times as long as that took

The moment of each move is where its command stands in the log, so whoever reads the log again moves each twin at the
same place. A worker that is stopped in between finds in its rows who is moved, and goes on with the others; a command
that is said twice moves nobody twice. The patient's own events wait for the fold; those of others have their turns
(`streams.worker.turns.threads`), as beside any twin that folds again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol, cast

import structlog
from aiokafka.errors import KafkaError

from connectors.kafka.topics import COMMANDS
from connectors.releases import Version
from streams.worker.metrics import WorkerMetrics
from streams.worker.rows.patient_state import NEVER, PatientState
from streams.worker.versions.moving import MovableTwins
from twin.events import ModelMove, encode, event_id, from_millis

SHARE = 0.25
"""Part of its time in which a worker moves twins, while there are any to move."""

POLL_SECONDS = 5.0
"""Between two looks at the releases, and for patients who are to be moved."""

LOOK_SECONDS = 0.05
"""Between two looks at whether a command was handled."""

PATIENCE = 600.0
"""So long a command may wait behind other events of a topic; after that it is the next patient's turn."""

_log = structlog.get_logger("dosetwin.worker")


class Place(Protocol):
    """Where the broker put a record."""

    topic: str
    partition: int
    offset: int


class MovingPort(Protocol):
    """What is needed of a stream engine."""

    async def send(self, topic: str, key: bytes | None, value: bytes) -> Awaitable[object]:
        """Queue a record; the result is done when the broker has it, and says where, or raises."""

    def patients(self) -> Iterable[bytes]:
        """Keys of the patients who have a row in the partitions that are held."""


class Rolling:
    """See the module's docstring.

    Args:
        look_at: a patient's state by key; ``None`` where the partition is not held.
        share: part of the time in which twins are moved.
    """

    def __init__(
        self,
        twins: MovableTwins,
        port: MovingPort,
        look_at: Callable[[bytes], Awaitable[PatientState | None]],
        metrics: WorkerMetrics,
        share: float = SHARE,
        poll: float = POLL_SECONDS,
    ) -> None:
        self._twins = twins
        self._port = port
        self._look_at = look_at
        self._metrics = metrics
        self._share = share
        self._poll = poll
        self._known: Mapping[str, Version] = {}
        self._seen: dict[bytes, Version | None] = {}

    async def run(self) -> None:
        """Move twins for ever."""
        while True:
            await asyncio.sleep(self._poll)
            try:
                await self.go_round()
            except (KafkaError, OSError, TimeoutError) as error:
                _log.debug("twins are not moved now; they will be", error=type(error).__name__)

    async def go_round(self) -> None:
        """Move everyone who is to be moved now."""
        versions = await asyncio.to_thread(self._twins.versions)
        if versions != self._known:
            self._seen.clear()
            for replaced, version in versions.items():
                await asyncio.to_thread(self._twins.make_ready, version.model)
                _log.info("twins go on by a released version", model=version.model, replaces=replaced)
            self._known = versions
        if not versions:
            return
        moved = 0
        for key in list(self._port.patients()):
            if key not in self._seen:
                moved += await self._move(key, versions)
        if moved:
            _log.info("twins moved to released versions", twins=moved)

    async def _move(self, key: bytes, versions: Mapping[str, Version]) -> bool:
        """Move one patient, if there is a version of the model; whether that was done.

        What the rest is measured by begins where the state is asked for, which may have to be read from its row first.
        """
        begun = time.monotonic()
        state = await self._look_at(key)
        if state is None:
            return False
        version = versions.get(state.model_id) if state.quarantined is None else None
        if version is None:
            self._seen[key] = None
            return False
        place = cast(Place, await (await self._port.send(COMMANDS, key, encode(command(state, version)))))
        handled = await self._handled(key, place)
        spent = time.monotonic() - begun
        moved = handled is not None and handled.model_id == version.model
        if handled is not None and not moved:  # it is a dead letter now; the same would be the next
            self._seen[key] = version
        self._metrics.moves.inc(moved)
        await asyncio.sleep(spent * (1.0 / self._share - 1.0))
        return moved

    async def _handled(self, key: bytes, place: Place) -> PatientState | None:
        """The patient's state once a command was handled; ``None`` where that is not to be seen here."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            state = await self._look_at(key)
            if state is None:
                return None
            if state.applied.get((place.topic, place.partition), -1) >= place.offset:
                return state
            await asyncio.sleep(LOOK_SECONDS)
        return None


def command(state: PatientState, version: Version) -> ModelMove:
    """What moves a patient's twin, at the time of the newest that it knows; said again it has the same id."""
    return ModelMove(
        event_id=event_id("model_move", state.patient_id, state.model_id, state.model_hash, *version),
        patient_id=state.patient_id,
        time=from_millis(state.latest if state.latest > NEVER else 0),
        source="dosetwin",
        model=version.model,
        model_hash=version.model_hash,
        replaces=state.model_id,
    )
