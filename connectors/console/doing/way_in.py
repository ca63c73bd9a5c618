"""How a word of a person comes in: read safely, dated, and given to Kafka before it is answered.

The console has no log-in, so ``by`` is what somebody says of themselves. A page of another site in the same browser
cannot send anything: it would bring another origin, and neither JSON nor the header that is asked for without asking
first, which is never granted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import anyio
import anyio.to_thread
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from connectors.console.topic_reader import LiveBoard
from connectors.kafka.clients import KafkaUnreachable, NotConfirmed
from connectors.kafka.publish import Sender
from twin.clock import DAY_MS
from twin.events import InputEvent, from_millis, to_millis

HEADER, ACTS = "x-dosetwin", "act"
"""What a request must bring that no form of another site can send."""

MOST_BYTES = 4_000
"""Of a request's body: less than the text of an event may have, so that no reason is cut short."""

BODY_SECONDS = 10.0
"""How long a body may take to come."""

MOST_WAITING = 20
"""Words that may wait for Kafka; further ones are told to come again."""

OTHER_TIME_MS = 31 * DAY_MS
"""A ward that says nothing for so long is not of now: a word that is dated now would take its twins there."""

OFF = (
    "nothing can be done about alerts here, and no twin can be asked: this console answers beyond this machine and has "
    "no log-in. Start it with --allow-actions where something in front of it checks who acts, or use 'dosetwin alert' "
    "and 'dosetwin ask'"
)

Said = TypeVar("Said")


@dataclass
class WayIn:
    """Takes what people say.

    Attributes:
        live: what is known of the ward.
        sender: gives events to Kafka.
        replayed: the ward is of another time than now: a word is dated by the newest of its patient.
        now: the time.
    """

    live: LiveBoard
    sender: Sender
    replayed: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    turn: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))

    def ready(self, what: str) -> None:
        """Raises `HTTPException` while the board is not up to date, so that ``what`` is not known."""
        if self.live.status.state != "live":
            raise HTTPException(503, f"{what} is not known yet: the reader is {self.live.status.state}")

    def time(self, patient_id: str) -> datetime:
        """By which time a word about a patient is dated; raises `HTTPException` where now would be wrong."""
        now, ward = self.now(), self.live.clock()
        if self.replayed:
            return from_millis(self.live.clock(patient_id) or to_millis(now))
        if ward is not None and to_millis(now) - ward > OTHER_TIME_MS:
            raise HTTPException(
                409,
                f"the newest word of this ward is of {from_millis(ward).isoformat()}: dated now, yours would take "
                "its twins here. Start the console with --replayed if the ward is simulated or replayed, or use "
                "'dosetwin alert' or 'dosetwin ask' with --time",
            )
        return now

    async def send(self, word: InputEvent) -> None:
        """Done when Kafka has it; raises `HTTPException` where it does not come there."""
        if self.turn.statistics().tasks_waiting >= MOST_WAITING:
            raise HTTPException(503, f"{MOST_WAITING} words wait for Kafka already; send it again in a while")
        try:
            await anyio.to_thread.run_sync(self.sender.send, word, limiter=self.turn)
        except (KafkaUnreachable, NotConfirmed) as error:
            raise HTTPException(503, getattr(error, "summary", str(error))) from None


async def read(request: Request, decoder: msgspec.json.Decoder[Said], fields: str) -> Said:
    """What a request says; ``fields`` is what its JSON object has, in words.

    Raises:
        HTTPException: it is not from this page, no JSON object, or not of these fields.
    """
    if request.headers.get(HEADER) != ACTS:
        raise HTTPException(403, f"a header is missing, which shows that no other site sent this: {HEADER}: {ACTS}")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"content-type {kind[:80]!r}: send application/json")
    try:
        return decoder.decode(await _body(request))
    except msgspec.DecodeError as error:
        raise HTTPException(400, f"{error}; expected a JSON object of {fields}") from None
    except UnicodeDecodeError:
        raise HTTPException(400, "the body is no UTF-8") from None


async def _body(request: Request) -> bytes:
    raw = bytearray()
    try:
        with anyio.fail_after(BODY_SECONDS):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > MOST_BYTES:
                    raise HTTPException(413, f"more than {MOST_BYTES} bytes; write a shorter reason")
    except TimeoutError:
        raise HTTPException(408, f"the body did not come in {BODY_SECONDS:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the connection ended before the body") from None
    return bytes(raw)
