"""HL7 over MLLP: answers in order, on the same connection, in time, and never before a message is safe."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.facts.memory import Memory
from connectors.listeners import mllp
from connectors.listeners.intake import Intake
from connectors.listeners.mllp import Listener
from connectors.protocols.hl7.mllp import Frames, framed
from tests.connectors.listeners.test_intake import PROFILE, Kafka, result, run

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Sender:
    """A sender on a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = Frames()

    async def send(self, raw: bytes) -> None:
        self._writer.write(raw)
        await self._writer.drain()

    async def answers(self, count: int) -> list[list[str]]:
        """The segments of so many answers; fewer where the connection ended."""
        found: list[list[str]] = []
        while len(found) < count and (received := await asyncio.wait_for(self._reader.read(65536), 60)):
            found += [frame.decode().strip().split("\r") for frame in self._frames.feed(received)]
        return found

    async def ended(self) -> bool:
        return await asyncio.wait_for(self._reader.read(1), 60) == b""


@contextlib.asynccontextmanager
async def listening(kafka: Kafka, **options: Any) -> AsyncIterator[tuple[Listener, Any]]:
    async with Intake(PROFILE, Memory(), kafka) as intake:
        listener = Listener(intake, now=lambda: NOW, **options)
        server = await listener.start("127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        writers = []

        async def connect() -> Sender:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            return Sender(reader, writer)

        try:
            yield listener, connect
        finally:
            for writer in writers:
                writer.close()
            await listener.stop(server)


def test_a_result_is_answered_with_its_own_control_id_when_kafka_has_it() -> None:
    async def body() -> None:
        kafka = Kafka()
        async with listening(kafka) as (_, connect):
            sender = await connect()
            await sender.send(framed(result("1.2")))
            ((header, accepted),) = await sender.answers(1)
        assert header.startswith("MSH|^~\\&|||LAB|EAST|20260302090000+0000||ACK^R01^ACK|")
        assert accepted == "MSA|AA|1"
        assert [event.value.value for event in kafka.events()] == [1.2]

    run(body())


def test_several_frames_in_one_read_are_answered_in_their_order() -> None:
    async def body() -> None:
        async with listening(Kafka()) as (_, connect):
            sender = await connect()
            frames = [result("1.2", order=f"R-{n}").replace(b"|1|P|", b"|C%d|P|" % n) for n in range(5)]
            await sender.send(b"noise" + b"".join(map(framed, frames)))
            answers = await sender.answers(5)
        assert [segments[1] for segments in answers] == [f"MSA|AA|C{n}" for n in range(5)]

    run(body())


def test_what_kafka_does_not_have_is_worth_repeating_and_the_repeat_tells_it_once() -> None:
    async def body() -> None:
        kafka = Kafka()
        async with listening(kafka) as (_, connect):
            sender = await connect()
            kafka.down = True
            await sender.send(framed(result("1.2")))
            ((_, later, error),) = await sender.answers(1)
            kafka.down = False
            await sender.send(framed(result("1.2")))
            ((_, safe),) = await sender.answers(1)
        assert (later, safe) == ("MSA|AE|1", "MSA|AA|1")
        assert error.startswith("ERR|||207^internal|E")
        assert len(kafka.events()) == 1

    run(body())


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (result("1.2").replace(b"|P|2.5", b"|T|2.5"), "MSA|AR|1"),
        (result("1.2").replace(b"ORU^R01", b"ADT^A04"), "MSA|AR|1"),
        (result("1.2") + b"\r" + result("1.3"), "MSA|AR|1"),
        (b"FHS|^~\\&|", "MSA|AR|"),
        (b"", "MSA|AR|"),
    ],
    ids=["a test", "another kind", "two in one frame", "a batch", "nothing"],
)
def test_what_can_never_be_taken_is_said_to_be_so(raw: bytes, answer: str) -> None:
    async def body() -> None:
        kafka = Kafka()
        async with listening(kafka) as (_, connect):
            sender = await connect()
            await sender.send(framed(raw))
            ((_, accepted, error),) = await sender.answers(1)
        assert accepted == answer
        assert error.startswith("ERR|||")
        assert not kafka.events()
        assert kafka.letters()

    run(body())


def test_a_message_of_which_every_fact_is_refused_is_accepted_or_it_would_come_for_ever() -> None:
    async def body() -> None:
        kafka = Kafka()
        async with listening(kafka) as (_, connect):
            sender = await connect()
            await sender.send(framed(result("1.2", unit="K/uL")))
            ((_, accepted),) = await sender.answers(1)
        assert accepted == "MSA|AA|1"
        assert [letter.reason for letter in kafka.letters()] == ["unknown_unit"]

    run(body())


def test_a_half_frame_is_abandoned_for_a_new_one_and_counted() -> None:
    async def body() -> None:
        async with listening(Kafka()) as (listener, connect):
            sender = await connect()
            await sender.send(framed(result("9"))[:50])
            await sender.send(framed(result("1.2")))
            ((_, accepted),) = await sender.answers(1)
            assert (accepted, listener.abandoned) == ("MSA|AA|1", 1)

    run(body())


def test_a_frame_without_an_end_ends_its_connection_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mllp, "HALF_SECONDS", 0.2)

    async def body() -> None:
        async with listening(Kafka()) as (_, connect):
            hanging, other = await connect(), await connect()
            await hanging.send(framed(result("9"))[:50])
            assert await hanging.ended()
            await other.send(framed(result("1.2")))
            assert (await other.answers(1))[0][1] == "MSA|AA|1"

    run(body())


def test_a_frame_beyond_all_measure_ends_its_connection() -> None:
    async def body() -> None:
        async with listening(Kafka()) as (_, connect):
            sender = await connect()
            with contextlib.suppress(ConnectionError):
                await sender.send(b"\x0b" + b"x" * (2 << 20))
                assert await sender.ended()

    run(body())


def test_an_answer_that_would_come_too_late_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mllp, "ANSWER_SECONDS", 0.2)

    class Hanging(Kafka):
        async def send(self, topic: str, *, key: bytes | None, value: bytes) -> Any:  # noqa: ARG002
            await asyncio.sleep(60)

    async def body() -> None:
        async with listening(Hanging()) as (_, connect):
            sender = await connect()
            await sender.send(framed(result("1.2")))
            assert await sender.ended()

    run(body())


def test_a_peer_that_is_not_on_the_list_is_not_listened_to() -> None:
    async def body() -> None:
        async with listening(Kafka(), peers=frozenset({"192.0.2.1"})) as (_, connect):
            sender = await connect()
            assert await sender.ended()

    run(body())
