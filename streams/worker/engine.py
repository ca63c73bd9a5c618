"""The port: all that a stream engine must do for the dispatcher; on Faust, `streams.worker.fencing.port.FaustPort`."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import NamedTuple, Protocol

from streams.worker.offset_continuity import TopicPartition
from twin.events import Rejected


class KafkaRecord(NamedTuple):
    """One input record as read: where it stands in Kafka, its record time in ms since the epoch, and what it holds
    (empty where there is nothing)."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes


class Port(Protocol):
    """What the dispatcher needs of a stream engine. Topic names are without prefix."""

    async def send(self, topic: str, key: bytes | None, value: bytes) -> Awaitable[object]:
        """Queue a record; the result is done when the broker has it, or raises."""

    async def refuse(self, letter: Rejected) -> Awaitable[object]:
        """Queue a dead letter, which tells nothing of a patient who was erased."""

    async def write_row(self, partition: int, key: bytes, row: bytes) -> Awaitable[object]:
        """Queue a state row to the partition's changelog; done when durable."""

    def read_row(self, key: bytes) -> bytes | None:
        """The newest durable state row of a patient, or the one that says that the patient was erased."""

    def calling(self) -> Iterable[bytes]:
        """Keys of the patients whose state rows call for attention (`streams.worker.rows.state_row`)."""

    def settle(self, partition: TopicPartition, offset: int) -> None:
        """Everything below ``offset`` is permanent: it may be committed."""
