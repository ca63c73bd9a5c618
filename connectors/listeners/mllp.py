"""HL7 v2 over MLLP: a connection's frames, read, made safe, and answered in their order on the same connection.

An answer comes within `ANSWER_SECONDS` or not at all: the connection is closed rather than answered late, for a late
answer is taken for that of the next message. Nobody who is not on the list of peers is listened to, where there is
one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from connectors.facts.fact import NotAFact, Reading
from connectors.listeners.intake import Intake, NotSafe
from connectors.protocols.hl7.acknowledgement import answer
from connectors.protocols.hl7.charset import codec_of
from connectors.protocols.hl7.message import Message, header_of
from connectors.protocols.hl7.mllp import Frames, FrameTooLong, framed
from connectors.protocols.hl7.reading import message_of, read

ANSWER_SECONDS = 5.0
"""Longest wait of a sender for its answer."""

IDLE_SECONDS = 1800.0
"""A connection that says nothing for so long is closed."""

HALF_SECONDS = 30.0
"""A frame that has begun ends within so long, or its connection does."""

CHUNK = 65_536

LEAVE_SECONDS = 5.0
"""A sender over TLS that does not say good-bye when its connection is closed is waited for so long."""

NEVER = frozenset({"malformed", "charset", "unsupported", "test_message"})
"""Reasons for which a message as a whole can never be taken, however often it is sent."""

_log = structlog.get_logger("dosetwin.mllp")


@dataclass
class Listener:
    """Listens for one source.

    Attributes:
        intake: takes its messages.
        peers: addresses that may connect; any if empty.
        now: the time, for answers.
    """

    intake: Intake
    peers: frozenset[str] = frozenset()
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    connections: int = 0
    noise: int = 0
    abandoned: int = 0
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> asyncio.Server:
        """Begin to listen; port 0 takes any free one."""
        leave = None if tls is None else LEAVE_SECONDS
        return await asyncio.start_server(self._connected, host, port, ssl=tls, ssl_shutdown_timeout=leave)

    async def stop(self, server: asyncio.Server) -> None:
        """Take no more, and let go of those who are connected."""
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            peer = writer.get_extra_info("peername")
            if self.peers and (not peer or peer[0] not in self.peers):
                _log.warning("a peer that is not on the list was turned away")
                return
            await self._serve(reader, writer)
        except TimeoutError:
            _log.warning("a connection was closed: silent, a frame without an end, or an answer that came too late")
        except (ConnectionError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            self.connections -= 1
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(Exception):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames(bare=self.intake.profile.end_without_return)
        while True:
            async with asyncio.timeout(HALF_SECONDS if frames.half else IDLE_SECONDS):
                received = await reader.read(CHUNK)
            if not received:
                return
            noise, abandoned = frames.noise, frames.abandoned
            try:
                for frame in frames.feed(received):
                    async with asyncio.timeout(ANSWER_SECONDS):
                        said = await self._answer(frame)
                    if said:
                        writer.write(framed(said))
                        await writer.drain()
            except FrameTooLong:
                _log.warning("a frame was too long; its connection is closed")
                return
            finally:
                self.noise += frames.noise - noise
                self.abandoned += frames.abandoned - abandoned

    async def _answer(self, frame: bytes) -> bytes:
        """The acknowledgement of a frame in its own character set; empty where none is wanted or possible."""
        profile = self.intake.profile
        message: Message | None = None
        unreadable: NotAFact | None = None
        try:
            message = message_of(frame, profile)
        except NotAFact as error:
            message, unreadable = header_of(frame), error

        def found() -> list[Reading]:
            if message is None or unreadable is not None:
                raise unreadable or NotAFact("malformed", "an empty frame")
            return [read(message, profile)]

        try:
            taken = await self.intake.take(frame, found)
        except NotSafe:
            return self._said(message, "later", "internal")
        whole = taken.unreadable
        tests = message is not None and not profile.test and message.header(11, 1) in ("T", "D")
        reason = whole.reason if whole is not None else "test_message" if tests else ""
        return self._said(message, "never" if reason in NEVER else "safe", reason)

    def _said(self, message: Message | None, outcome: str, reason: str) -> bytes:
        if message is None:
            return _refusal(reason)
        control_id = f"DT{int(time.time() * 1000):x}{next(self._numbers):x}"[:20]
        said = answer(message, outcome, control_id=control_id, now=self.now(), reason=reason)  # type: ignore[arg-type]
        return _encoded(said, message) if said else b""


def _encoded(said: str, message: Message) -> bytes:
    """In the character set of the message, which the answer names again."""
    try:
        return said.encode(codec_of(message.header(18) or "ASCII"), "replace")
    except NotAFact:
        return said.encode("ascii", "replace")


def _refusal(reason: str) -> bytes:
    """An answer to what cannot be read at all: it names no message, for none is known."""
    return f"MSH|^~\\&|||||||ACK||P|2.6\rMSA|AR|\rERR|||100^{reason or 'malformed'}|E\r".encode()
