"""What an event of a ward costs a worker in processor time, from its bytes to the twin's record or its outputs.

There is no broker: recorded events go through the merge by event time and the dispatcher to a port that keeps nothing.
Those of which nothing follows but that a twin knows them are *routine*; for the others the worker's threads count too.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections import Counter
from collections.abc import Awaitable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from time import process_time, thread_time

from connectors.kafka.topics import INPUTS, topic_of
from connectors.privacy.master_key import KEY_BYTES
from connectors.privacy.patient_keys import PatientKeys, create_store
from streams.bench.patients import BEGIN
from streams.worker.dispatcher import PartitionDispatcher
from streams.worker.engine import KafkaRecord
from streams.worker.event_time_merge import EventTimeMerge
from streams.worker.metrics import WorkerMetrics
from streams.worker.offset_continuity import TopicPartition
from streams.worker.processor import EventProcessor
from streams.worker.rows.encrypted_row import encrypted_row, opened_row
from streams.worker.rows.state_row import StateRow, encode_row
from streams.worker.twin_factory import LibraryTwins
from twin.events import Rejected, decode, to_millis

FETCHED = 500
"""Records that are merged at a time."""

WARM_UP = 0.25
"""Share of the events that is told before the timing begins: everybody is admitted then."""


class _Done(Awaitable[None]):
    def __await__(self) -> Generator[None]:
        yield from ()


class _NoBroker:
    """A port behind which everything is durable at once and nothing is kept."""

    async def send(self, topic: str, key: bytes | None, value: bytes) -> Awaitable[object]:  # noqa: ARG002
        return _Done()

    async def refuse(self, letter: Rejected) -> Awaitable[object]:  # noqa: ARG002
        return _Done()

    async def write_row(self, partition: int, key: bytes, row: bytes) -> Awaitable[object]:  # noqa: ARG002
        return _Done()

    def read_row(self, key: bytes) -> bytes | None:  # noqa: ARG002
        return None

    def calling(self) -> Iterable[bytes]:
        return ()

    def settle(self, partition: TopicPartition, offset: int) -> None: ...


@dataclass
class _Spent:
    """Processor time of events in seconds: of each routine one, and of each whatever it is."""

    routine: list[float]
    each: list[float]


def event_cost(events: Sequence[tuple[int, bytes]], models: Sequence[str], particles: int) -> dict[str, float]:
    """``routine_event_us``, the median of the routine events, and ``ward_event_us``, the mean of all.

    Args:
        events: bytes with their ms of arrival since `BEGIN`, in order of arrival.
        models: those of the patients, compiled beforehand.
        particles: size of a twin.
    """
    twins = LibraryTwins(particles)
    twins.compile(models)
    spent = asyncio.run(_handle(list(_records(events)), EventProcessor(twins)))
    return {
        "routine_event_us": round(1e6 * median(spent.routine), 1),
        "ward_event_us": round(1e6 * fmean(spent.each), 1),
    }


def encryption_cost(row_bytes: int, repeats: int) -> dict[str, float]:
    """``row_encrypt_us`` and ``row_open_us`` of a row of so many random bytes, whose key is known; medians."""
    with tempfile.TemporaryDirectory() as folder:
        store, master = Path(folder) / "keys", secrets.token_bytes(KEY_BYTES)
        create_store(store, master)
        keys = PatientKeys(store, master)
        row = encode_row(StateRow("P", "", "", (), 0, secrets.token_bytes(row_bytes), (), (), False))
        hidden = encrypted_row(row, "P", keys)
        spent: dict[str, list[float]] = {"row_encrypt_us": [], "row_open_us": []}
        for _ in range(repeats):
            begin = thread_time()
            encrypted_row(row, "P", keys)
            between = thread_time()
            opened_row(hidden, "P", keys)
            spent["row_encrypt_us"].append(between - begin)
            spent["row_open_us"].append(thread_time() - between)
    return {name: round(1e6 * median(each), 1) for name, each in spent.items()}


def _records(events: Iterable[tuple[int, bytes]]) -> Iterator[KafkaRecord]:
    """Events as they stand in the topics, all in one partition."""
    offsets: Counter[str] = Counter()
    for millis, raw in events:
        event = decode(raw)
        topic = topic_of(event)
        yield KafkaRecord(topic, 0, offsets[topic], to_millis(BEGIN) + millis, event.patient_id.encode(), raw)
        offsets[topic] += 1


async def _handle(records: Sequence[KafkaRecord], processor: EventProcessor) -> _Spent:
    failures: list[BaseException] = []
    dispatcher = PartitionDispatcher(
        processor, _NoBroker(), WorkerMetrics(), home=lambda _: 0, failed=failures.append, barrier_seconds=1e9
    )
    await dispatcher.open({(topic, 0): 0 for topic in INPUTS})
    merge, spent = EventTimeMerge(), _Spent([], [])
    for begin in range(0, len(records), FETCHED):
        timed = begin >= WARM_UP * len(records)
        await _fetched(records[begin : begin + FETCHED], merge, dispatcher, spent if timed else _Spent([], []))
    dispatcher.close()
    if failures:
        raise failures[0]
    return spent


async def _fetched(
    records: Sequence[KafkaRecord], merge: EventTimeMerge, dispatcher: PartitionDispatcher, spent: _Spent
) -> None:
    batches: dict[TopicPartition, list[KafkaRecord]] = {}
    for record in records:
        batches.setdefault((record.topic, record.partition), []).append(record)
    begin = thread_time()
    merge.add(batches)
    released = merge.release(list(batches), lambda _: 0, fetching=0.0, now_ms=0.0)
    merging = (thread_time() - begin) / len(records)
    for _, record in released:
        begin, begin_of_all = thread_time(), process_time()
        await dispatcher.receive(record)
        received = thread_time() - begin
        if dispatcher.is_idle:
            spent.routine.append(received + merging)
        while not dispatcher.is_idle:
            await asyncio.sleep(0.001)
        spent.each.append(process_time() - begin_of_all + merging)
