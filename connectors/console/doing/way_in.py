"""How a word of a person comes in: by whom it is, dated, and given to Kafka before it is answered.

``by`` is whoever is logged in; where nobody logs in it is what somebody says of themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException

from connectors.access.roles import Who
from connectors.console.door.witness import visit
from connectors.console.topic_reader import LiveBoard
from connectors.kafka.clients import KafkaUnreachable, NotConfirmed
from connectors.kafka.publish import Sender
from twin.clock import DAY_MS
from twin.events import InputEvent, from_millis, to_millis

MOST_WAITING = 20
"""Words that may wait for Kafka; further ones are told to come again."""

DATED_KEPT = 2_000
"""Patients of a replayed ward of whom it is known when the last word was dated; of more, those spoken of last."""

OTHER_TIME_MS = 31 * DAY_MS
"""A ward that says nothing for so long is not of now: a word that is dated now would take its twins there."""


@dataclass
class WayIn:
    """Takes what people say.

    Attributes:
        live: what is known of the ward.
        sender: gives events to Kafka.
        replayed: the ward is of another time than now: a word is dated by the newest of its patient, and each after the
            one before.
        now: the time.
    """

    live: LiveBoard
    sender: Sender
    replayed: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    dated: dict[str, int] = field(default_factory=dict)
    turn: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))

    def ready(self, what: str) -> None:
        """Raises `HTTPException` while the board is not up to date, so that ``what`` is not known."""
        if self.live.status.state != "live":
            raise HTTPException(503, f"{what} is not known yet: the reader is {self.live.status.state}")

    def time(self, patient_id: str) -> datetime:
        """By which time a word about a patient is dated; raises `HTTPException` where now would be wrong."""
        now, ward = self.now(), self.live.clock()
        if self.replayed:
            newest = self.live.clock(patient_id) or to_millis(now)
            dated = self.dated[patient_id] = max(newest, self.dated.pop(patient_id, 0) + 1)
            if len(self.dated) > DATED_KEPT:
                del self.dated[next(iter(self.dated))]
            return from_millis(dated)
        if ward is not None and to_millis(now) - ward > OTHER_TIME_MS:
            raise HTTPException(
                409,
                f"the newest word of this ward is of {from_millis(ward).isoformat()}: dated now, yours would take "
                "its twins here. Start the console with --replayed if the ward is simulated or replayed, or use "
                "'dosetwin alert' or 'dosetwin ask' with --time",
            )
        return now

    async def send(self, word: InputEvent) -> None:
        """Done when Kafka has it, and before that who sends it; raises `HTTPException` where it does not come there."""
        if self.turn.statistics().tasks_waiting >= MOST_WAITING:
            raise HTTPException(503, f"{MOST_WAITING} words wait for Kafka already; send it again in a while")
        if recorded := visit():
            await recorded.begins(word.patient_id, word.event_id)
        try:
            await anyio.to_thread.run_sync(self.sender.send, word, limiter=self.turn)
        except (KafkaUnreachable, NotConfirmed) as error:
            raise HTTPException(503, getattr(error, "summary", str(error))) from None


def acting(who: Who, said: str) -> str:
    """By whom a word is: who is logged in, or, where nobody logs in, who somebody says they are.

    Raises:
        HTTPException: somebody says that they are another.
    """
    if not who.name:
        return said
    if said not in ("", who.name):
        raise HTTPException(400, f"field 'by' {said[:64]!r}: you are logged in as {who.name!r}; leave it out")
    return who.name
