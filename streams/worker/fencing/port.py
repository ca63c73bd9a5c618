"""What leaves a worker: `streams.worker.engine.Port` on a Faust app, with rows under their holder's term."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, cast

import faust
from faust.types import TP

from connectors.kafka.topics import HEARTBEATS, REJECTED
from streams.worker.fencing.changelog_rows import ChangelogRows
from streams.worker.fencing.foreign_rows import ForeignRecord, ForeignRows
from streams.worker.fencing.lease import SessionLost
from streams.worker.offset_continuity import TopicPartition
from streams.worker.rows.erased import PREFIX, erased_key, without_patient
from streams.worker.rows.state_row import MARK, mark_of, of_term, term_of
from twin.events import Rejected, encode


class FaustPort:
    """See the module's docstring. Output topics get ``prefix``; ``foreign`` watches over the table's changelog."""

    def __init__(self, app: faust.App, table: ChangelogRows, prefix: str, foreign: ForeignRows) -> None:
        self._app = app
        self._table = table
        self._prefix = prefix
        self._foreign = foreign
        self._terms: dict[int, int] = {}

    async def hold(self, partitions: Iterable[int], generation: int) -> dict[int, int]:
        """Take partitions over, under new terms, which are in the changelog before anything else is done."""
        terms = {number: self._table.next_term(number, generation) for number in partitions}
        marks = []
        for number, term in terms.items():
            self._foreign.start(number, self._table.next_offset(number))
            self._terms[number] = term
            marks.append((number, await self._produce(self._changelog, MARK, mark_of(term), number)))
        for number, confirmation in marks:
            self._foreign.wrote(number, cast(Any, await confirmation).offset)
        return terms

    def let_go(self) -> None:
        """Nothing is held any more."""
        self._terms.clear()
        self._foreign.stop_all()

    async def send(self, topic: str, key: bytes | None, value: bytes) -> Awaitable[object]:
        """Queue an output at the producer."""
        return await self._produce(self._prefix + topic, key, value, None)

    async def refuse(self, letter: Rejected) -> Awaitable[object]:
        """Queue a dead letter, which tells nothing of a patient who was erased."""
        key = letter.patient_id.encode() if letter.patient_id is not None else None
        if key is not None and self._table.row(erased_key(key)) is not None:
            letter, key = without_patient(letter), None
        return await self.send(REJECTED, key, encode(letter))

    async def write_row(self, partition: int, key: bytes, row: bytes) -> Awaitable[object]:
        """Queue a row for the table's changelog; the table shows it when it is durable."""
        if partition not in self._terms:
            raise SessionLost(f"partition {partition} is not held any more: its rows are another worker's to write")
        written = of_term(row, self._terms[partition])
        confirmation = await self._produce(self._changelog, key, written, partition)

        async def stored() -> None:
            place = cast(Any, await confirmation)
            self._foreign.wrote(partition, place.offset)
            self._table.put(partition, key, written)

        return stored()

    def read_row(self, key: bytes) -> bytes | None:
        """The patient's row in the table, or the one that says that the patient was erased."""
        return self._table.row(erased_key(key)) or self._table.row(key)

    def calling(self) -> Iterable[bytes]:
        """Keys of the patients whose rows call for attention."""
        return (key for key in self._table.calling() if not key.startswith(PREFIX))

    def patients(self) -> Iterable[bytes]:
        """Keys of the patients who have a row in the partitions that are held."""
        return (key for key in self._table.patients() if not key.startswith(PREFIX))

    def outdated(self) -> list[tuple[bytes, int]]:
        """Patients, with their partitions, whose rows have to be written again as the changelog was read."""
        return list(self._table.outdated.items())

    async def written_over(self) -> list[ForeignRecord]:
        """Records of others in the changelogs of held partitions, since the last call.

        Raises:
            SessionLost: one is of a later holder.
        """
        held = [TP(self._changelog, number) for number in self._foreign.partitions]
        ends = await self._app.consumer.highwaters(*held) if held else {}
        unread = self._foreign.unread({tp.partition: ends.get(tp) or 0 for tp in held})
        found = []
        for record in await self._foreign.read(unread) if unread else ():
            term, ours = term_of(record.value), self._terms.get(record.partition, 0)
            if term is not None and term > ours:
                raise SessionLost(f"another worker has taken over partition {record.partition}")
            if term != ours and record.key != MARK:
                found.append(record)
        return found

    async def beat(self, partition: int, value: bytes) -> Awaitable[object]:
        """Queue a heartbeat, of which the newest of each partition is kept."""
        return await self._produce(self._prefix + HEARTBEATS, str(partition).encode(), value, partition)

    def settle(self, partition: TopicPartition, offset: int) -> None:
        """Let the consumer commit up to ``offset``."""
        cast(Any, self._app.consumer).settle(TP(*partition), offset)

    @property
    def _changelog(self) -> str:
        return self._table.changelog_topic_name

    async def _produce(self, topic: str, key: bytes | None, value: bytes, partition: int | None) -> Awaitable[object]:
        producer = await self._app.maybe_start_producer()
        confirmation: Awaitable[object] = await producer.send(topic, key, value, partition, None, None)
        return confirmation
