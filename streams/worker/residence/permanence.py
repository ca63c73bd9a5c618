"""What a worker makes permanent of one patient, in the order *outputs, row, alerts*.

A row is written when all that its twin brought forth before is at the broker, and alerts are sent when a row that holds
them is. Every call for one patient is made with the turn of its queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice

from connectors.kafka.topics import ALERTS
from streams.worker.barrier import durable
from streams.worker.engine import Port
from streams.worker.metrics import WorkerMetrics
from streams.worker.processor import EventProcessor
from streams.worker.turns.queues import PatientQueue
from streams.worker.turns.threads import FairThreads

AT_ONCE = 8
"""Rows of a barrier written at a time: a way to the broker and back is not waited for row by row, and what is folded
meanwhile gets its turn."""


class Permanence:
    """See the module's docstring."""

    def __init__(self, processor: EventProcessor, port: Port, threads: FairThreads, metrics: WorkerMetrics) -> None:
        self._processor = processor
        self._port = port
        self._threads = threads
        self._metrics = metrics

    async def write_row(self, queue: PatientQueue) -> bool:
        """Outputs durable, then the row, if the queue is ours; whether it is."""
        assert queue.state is not None
        sent, queue.unsettled = queue.unsettled, []
        await durable(sent)
        if queue.state.quarantined is None:
            row = await self._threads.run(queue.patient_id, self._processor.row, queue.state)
            if queue.abandoned:
                return False
            await (await self._port.write_row(queue.partition, queue.key, row))
            self._metrics.rows.inc()
            self._metrics.row_bytes.inc(len(row))
        queue.dirty = False
        return not queue.abandoned

    async def write_rows(self, queues: Iterable[PatientQueue]) -> bool:
        """Take the turn of each of these queues and write its row, if it changed; whether all are ours."""
        rest = iter(queues)
        while some := list(islice(rest, AT_ONCE)):
            if not all(await asyncio.gather(*map(self._write_if_dirty, some))):
                return False
        return True

    async def _write_if_dirty(self, queue: PatientQueue) -> bool:
        async with queue.turn:
            return not queue.dirty or await self.write_row(queue)

    async def write_again(self, queue: PatientQueue) -> None:
        """Write a patient's newest durable row once more: it is not the last one in the changelog of its partition."""
        if (row := self._port.read_row(queue.key)) is not None and not queue.abandoned:
            await (await self._port.write_row(queue.partition, queue.key, row))

    async def publish_alerts(self, queue: PatientQueue) -> None:
        """Send the outbox, which a durable row holds. The next row is written without it."""
        assert queue.state is not None
        await durable([await self._port.send(ALERTS, queue.key, value) for value in queue.state.outbox])
        self._metrics.outputs.labels(ALERTS).inc(len(queue.state.outbox))
        queue.state.outbox.clear()
        queue.dirty = queue.state.quarantined is None
