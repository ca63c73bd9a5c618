"""The one way in: a message is read, what it tells is remembered, given to Kafka, and only then acknowledged.

Messages of a source are taken one after another, as many together as have come while Kafka confirmed the last ones:
they share one write of the memory and one wait. Where Kafka confirms nothing the sender is told to come again, and
what was remembered is sent as soon as Kafka is back; a repetition then tells nothing new.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import structlog

from connectors.facts.fact import NotAFact, Passed, Reading, Refusal
from connectors.facts.memory import Memory
from connectors.facts.profile import Profile
from connectors.facts.telling import Outcome, Teller, Telling
from connectors.listeners.routes import outgoing
from connectors.privacy.master_key import KeysUnusable
from twin.events import Event, InputEvent, Rejected, kind_of

MOST_TOGETHER = 200
"""Messages that share one write of the memory."""

MOST_WAITING = 1_000
"""Messages that may wait; more are told to come again."""

_log = structlog.get_logger("dosetwin.intake")


class Sender(Protocol):
    """What the intake needs of a producer (`aiokafka.AIOKafkaProducer`)."""

    async def send(self, topic: str, *, key: bytes | None, value: bytes) -> Awaitable[object]:
        """Queue a record; the result is done when the broker has it, or raises."""


class NotSafe(RuntimeError):
    """Kafka has not confirmed what a message tells, or too many wait already: it is to be sent again."""


class Taken(NamedTuple):
    """What became of a message that is safe: of each fact in it, or of all of it where nothing could be read."""

    outcomes: tuple[Outcome, ...]
    unreadable: NotAFact | None = None


@dataclass
class _Waiting:
    raw: bytes
    read: Callable[[], Sequence[Reading]]
    done: asyncio.Future[Taken]


@dataclass
class Counts:
    """What a source said so far, by what became of it; nothing in it is of a patient."""

    messages: int = 0
    events: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    passed: int = 0
    repeated: int = 0
    unsafe: int = 0

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """One message more."""
        self.messages += 1
        for outcome in outcomes:
            match outcome:
                case Refusal(reason=reason):
                    self.refused[reason] += 1
                case Passed():
                    self.passed += 1
                case Telling(events=()):
                    self.repeated += 1
                case Telling(events=events):
                    self.events.update(kind_of(type(event)) for event in events)


class Intake:
    """Takes the messages of one source; ``async with`` it for as long as it takes any.

    Args:
        profile: of the source.
        memory: what it told before.
        sender: gives records to Kafka.
        prefix: of the topics.
        now: the time, at which words of devices came.
    """

    def __init__(
        self,
        profile: Profile,
        memory: Memory,
        sender: Sender,
        prefix: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.profile = profile
        self.counts = Counts()
        self.memory = memory
        self._teller = Teller(profile, memory)
        self._sender = sender
        self._prefix = prefix
        self._now = now
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(MOST_WAITING)
        self._owing = True  # of an earlier life there may be something that Kafka does not have
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Intake:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def take(self, raw: bytes, read: Callable[[], Sequence[Reading]]) -> Taken:
        """Take a message; done when Kafka has all that it tells.

        Args:
            raw: its bytes, kept where something of it is refused.
            read: what it says; may raise `NotAFact` where nothing of it can be read.

        Raises:
            NotSafe: it is to be sent again.
        """
        if self._queue.full():
            self.counts.unsafe += 1
            raise NotSafe(f"{MOST_WAITING} messages wait already")
        waiting = _Waiting(raw, read, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(waiting)
        return await waiting.done

    async def _run(self) -> None:
        while True:
            together = [await self._queue.get()]
            while not self._queue.empty() and len(together) < MOST_TOGETHER:
                together.append(self._queue.get_nowait())
            try:
                await self._take(together)
            except Exception as error:
                self._owing = True
                self.counts.unsafe += len(together)
                _log.warning("messages are not safe", error=type(error).__name__, messages=len(together))
                for one in together:
                    if not one.done.done():
                        one.done.set_exception(NotSafe(type(error).__name__))

    async def _take(self, together: Sequence[_Waiting]) -> None:
        with self.memory.together():
            self.memory.heard(self._now())
            taken = [self._tell(one) for one in together]
            letters = [
                letter for one, found in zip(together, taken, strict=True) for letter in self._letters(one, found)
            ]
        events: list[InputEvent] = [event for one in taken for outcome in one.outcomes if isinstance(outcome, Telling)
                                    for event in outcome.events]  # fmt: skip
        if self._owing:
            events = list(self.memory.unsent())
        await self._send([*events, *letters])
        self.memory.sent(events)
        self._owing = False
        for one, found in zip(together, taken, strict=True):
            self.counts.count(found.outcomes)
            if not one.done.done():
                one.done.set_result(found)

    def _tell(self, one: _Waiting) -> Taken:
        try:
            found = one.read()
            return Taken(tuple(outcome for reading in found for outcome in self._teller.tell(reading)))
        except NotAFact as error:
            return Taken((Refusal("message", error.reason, error.detail),), error)
        except KeysUnusable:  # whose it is cannot be said now: it is to be sent again
            raise
        except Exception as error:  # our fault must cost this message only, which is kept
            _log.error("a message could not be read", error=type(error).__name__)
            fault = NotAFact("malformed", f"reading it failed: {type(error).__name__}; this is a fault of dosetwin")
            return Taken((Refusal("message", fault.reason, fault.detail),), fault)

    def _letters(self, one: _Waiting, taken: Taken) -> list[Rejected]:
        """Dead letters of what was refused. They name the message by its digest, and hold none of it."""
        refused = [outcome for outcome in taken.outcomes if isinstance(outcome, Refusal)]
        if not refused:
            return []
        digest = self.memory.keep(one.raw)
        where = f"source {self.profile.source!r}, message {digest}"
        return [Rejected(reason=r.reason, detail=f"{where}, {r.place}: {r.detail}") for r in refused]

    async def _send(self, events: Iterable[Event]) -> None:
        confirmations, now = [], self._now()
        for event in events:
            topic, key, value = outgoing(event, self._prefix, now)
            confirmations.append(await self._sender.send(topic, key=key, value=value))
        for confirmation in confirmations:
            await confirmation
