"""The partition dispatcher: all patients of the partitions of this worker, between records and the event processor.

It keeps one *queue* per patient, in which records are handled strictly in order, while different patients overtake one
another: costly events in a small thread pool, cheap ones at once on the event loop. What a queue brings forth is sent
on, remembered as unsettled, and made permanent at the next barrier in the order *outputs, rows, commit mark*.

Alerts are never sent before they are decided for good: a queue that decides one writes its row first, with the alert
in the row's outbox, and sends it when the row is durable. After a crash the outbox is sent again. So no order in which
records may be read again after a crash can bring an alert that the twin's state does not know.

Nothing here knows Faust: `streams.worker.engine` is all the dispatcher needs of a stream engine.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import structlog

from connectors.kafka.topics import PUMP, VITALS
from connectors.privacy.master_key import KeysUnusable
from streams.worker.barrier import BARRIER_EVENTS, BARRIER_SECONDS, Cadence, Frontier, HeldPartition, durable
from streams.worker.engine import KafkaRecord, Port
from streams.worker.event_time_merge import Level
from streams.worker.heartbeat import Progress
from streams.worker.metrics import WorkerMetrics
from streams.worker.offset_continuity import TopicPartition
from streams.worker.processor import EventProcessor, Outcome
from streams.worker.records.received import ReceivedEvent, reject, size_of
from streams.worker.residence.leaving import IDLE_SECONDS, MOST_RESIDENT, Leaving
from streams.worker.residence.patients import Patients
from streams.worker.residence.permanence import Permanence
from streams.worker.rows.patient_state import PatientState
from streams.worker.turns.queues import PatientQueue
from streams.worker.turns.threads import FairThreads
from streams.worker.turns.waiting import WaitingRecords
from twin.events import Rejected, to_millis
from twin.steps import Result, Steps

BATCH = 64
"""Most events of one patient handled in one go, so that others get their turn."""

BARRIER_PATIENCE = 0.5
"""Seconds that what else is due waits for a barrier, which waits for the slice of work that a patient is at."""

_log = structlog.get_logger("dosetwin.worker")


class PartitionDispatcher:
    """See the module's docstring. ``clock`` gives wall time in seconds, only ever used to measure latency.

    ``home`` gives the partition a key belongs to, so that a producer with another partitioner is noticed.
    ``failed`` is called when something could not be made durable: the process must then stop and start again.
    """

    def __init__(
        self,
        processor: EventProcessor,
        port: Port,
        metrics: WorkerMetrics,
        *,
        home: Callable[[bytes], int],
        failed: Callable[[BaseException], None],
        barrier_events: int = BARRIER_EVENTS,
        barrier_seconds: float = BARRIER_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        most_resident: int = MOST_RESIDENT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._processor = processor
        self._port = port
        self._metrics = metrics
        self._home = home
        self._failed = failed
        self._barrier_events = barrier_events
        self._barrier_seconds = barrier_seconds
        self._clock = clock
        self._threads = FairThreads()
        self._patients = Patients()
        self._permanence = Permanence(processor, port, self._threads, metrics)
        self._leaving = Leaving(self._patients, self._permanence.write_row, idle_seconds, most_resident)
        self._partitions: dict[int, HeldPartition] = {}
        self._rejected: Counter[str] = Counter()
        self._barriers: dict[int, asyncio.Task[None]] = {}
        self._waiting = WaitingRecords()
        self._accepting = False
        metrics.partitions.set_function(lambda: len(self._partitions))
        metrics.patients.set_function(lambda: len(self._patients))
        metrics.resident.set_function(lambda: self._patients.resident)
        metrics.in_flight.set_function(lambda: len(self._waiting))

    @property
    def is_full(self) -> bool:
        """Whether reading pauses because too many records wait."""
        return self._waiting.is_full

    @property
    def resting(self) -> set[int]:
        """Numbers of partitions of which no record is to come now: a patient of theirs has too many waiting."""
        return self._waiting.resting

    @property
    def is_idle(self) -> bool:
        """Whether every record that was taken is handled."""
        return not len(self._waiting)

    @property
    def holds_partitions(self) -> bool:
        """Whether records are taken of any partition."""
        return self._accepting and bool(self._partitions)

    # --- partitions -------------------------------------------------------------------------------------------------

    async def open(self, starts: Mapping[TopicPartition, int]) -> None:
        """Take over partitions whose rows are restored; ``starts`` is where reading begins. Publishes old outboxes."""
        for (topic, number), offset in starts.items():
            if number not in self._partitions:
                cadence = Cadence(self._barrier_events, self._barrier_seconds, since_time=time.monotonic())
                self._partitions[number] = HeldPartition(cadence, Level({PUMP, VITALS}, time.monotonic()))
            self._partitions[number].frontiers[topic] = Frontier(offset)
            self._partitions[number].settled[topic] = offset
            self._partitions[number].read_to.start(topic, time.monotonic())
        self._accepting = True
        for key in self._port.calling():
            if (number := self._home(key)) in self._partitions:
                async with (queue := self._patients.of(key.decode(), number)).turn:
                    await self._load(queue)
                    await self._permanence.publish_alerts(queue)
                    self._patients.remember(queue)

    async def surrender(self, patience: float = 6.0) -> None:
        """Give all partitions back: nothing new is begun, what is under way is finished and made permanent.

        What does not finish within ``patience`` seconds is left for whoever reads the partition next.
        """
        self._accepting = False
        for queue in self._patients:
            self._drop(queue)
        numbers = list(self._partitions)
        try:
            async with asyncio.timeout(patience):
                await asyncio.gather(*(queue.worker for queue in self._patients if queue.worker is not None))
                for number in numbers:
                    await self.barrier(number)
        except TimeoutError:
            _log.warning("barrier not finished in time; the rest will be read again", seconds=patience)
        self.abandon()

    def abandon(self) -> None:
        """Give all partitions up as they are: nothing more is sent or written of them, others may hold them by now."""
        self._accepting = False
        self._leaving.stop()
        for queue in self._patients:
            queue.abandoned = True
            queue.pending.clear()
        self._patients.clear()
        self._partitions.clear()
        self._waiting.clear()

    def close(self) -> None:
        """Stop the threads; what they are doing is finished first."""
        self._threads.close()

    async def look_at(self, key: bytes) -> PatientState | None:
        """A patient's state, when nobody is at it; ``None`` where the partition is not held."""
        if (number := self._home(key)) not in self._partitions:
            return None
        async with (queue := self._patients.of(key.decode(), number)).turn:
            await self._load(queue)
        return queue.state

    # --- records ----------------------------------------------------------------------------------------------------

    async def receive(self, record: KafkaRecord) -> None:
        """Take one record; returns at once unless too many wait. Records of other partitions are ignored."""
        if self._waiting.is_full:
            await self._waiting.room()
        partition = self._partitions.get(record.partition)
        if not self._accepting or partition is None or record.topic not in partition.frontiers:
            return
        self._metrics.came(record.topic)
        read = self._processor.read(record)
        if not isinstance(read, ReceivedEvent):
            await self._refuse(partition, record, read)
            return
        queue = self._patients.find(read.event.patient_id)
        if queue is None or queue.partition != record.partition:
            queue = self._new_queue(read)
        if queue is None:
            await self._refuse(partition, record, self._misplaced(read))
            return
        now, event = time.monotonic(), read.event
        level = partition.level.read(event.sent_on.name, to_millis(event.time), now)
        partition.read_to.read(record.topic, record.timestamp, now)
        queue.heard = now
        if self._take(queue, read, now, level=level):
            partition.passed(record)
            return
        partition.taken(record)
        queue.wait(read)
        self._waiting.add(queue.patient_id, queue.partition, len(read.raw))
        self._begin(queue)

    async def _refuse(self, partition: HeldPartition, record: KafkaRecord, letter: Rejected) -> None:
        partition.taken(record)
        partition.unsettled.append(await self._send_rejected(letter))
        partition.handled(record)

    def _new_queue(self, arrival: ReceivedEvent) -> PatientQueue | None:
        """The queue of a patient who was not known; ``None`` where the patient belongs to another partition."""
        patient_id, partition = arrival.event.patient_id, arrival.record.partition
        return self._patients.of(patient_id, partition) if self._home(patient_id.encode()) == partition else None

    def _misplaced(self, arrival: ReceivedEvent) -> Rejected:
        key = arrival.event.patient_id
        return reject(
            arrival,
            "wrong_partition",
            f"record in partition {arrival.record.partition}, but key {key!r} belongs in {self._home(key.encode())}: "
            "the producer must use the murmur2 partitioner (librdkafka: partitioner=murmur2_random)",
        )

    def _take(self, queue: PatientQueue, arrival: ReceivedEvent, now: float, *, level: bool) -> bool:
        """Handle an arrival here and now, if it costs so little that a thread's turn would cost more than it saves."""
        state = queue.state
        if state is None or queue.pending or queue.turn.locked():
            return False
        if taken := self._processor.take(state, arrival, level=level):
            queue.dirty = True
            self._metrics.took(self._clock() - arrival.record.timestamp / 1000, now)
        return taken

    def _begin(self, queue: PatientQueue) -> None:
        """Let somebody work at the queue."""
        if queue.worker is None:
            queue.worker = asyncio.create_task(self._work(queue))

    async def _work(self, queue: PatientQueue) -> None:
        """Handle a queue's pending arrivals until there are none, a slice at a time."""
        try:
            while (queue.pending or queue.burst_ended) and not queue.abandoned:
                async with queue.turn:
                    await self._load(queue)
                    batch = queue.next(BATCH)
                    if queue.burst_ended:
                        queue.burst_ended = False
                        await self._end_burst(queue)
                    if batch:
                        await self._handle(queue, batch)
        except Exception as error:
            self._failed(error)
        finally:
            queue.worker = None

    async def _load(self, queue: PatientQueue) -> None:
        if queue.state is None:
            row = self._port.read_row(queue.key)
            queue.state = await self._threads.run(queue.patient_id, self._processor.open, queue.patient_id, row)
            if not queue.abandoned:
                self._patients.enter(queue)

    async def _handle(self, queue: PatientQueue, arrivals: list[ReceivedEvent]) -> None:
        """Let the processor handle arrivals and send what follows. Call with the queue's turn."""
        assert queue.state is not None
        repeats = sum(queue.state.contains(arrival.record) for arrival in arrivals)
        if repeats:
            self._metrics.repeats.inc(repeats)
        level = (held := self._partitions.get(queue.partition)) is not None and held.level.holds(time.monotonic())
        outcome = await self._in_turn(queue, self._processor.handling(queue.state, arrivals, level=level))
        if outcome is None or queue.abandoned:
            return
        queue.dirty = queue.dirty or (repeats < len(arrivals) and queue.state.quarantined is None)
        sent = await self._bring_forth(queue, outcome)
        waits = {arrival.record for arrival in queue.state.burst.waiting}
        if not queue.abandoned:
            self._told([*outcome.waited, *(arrival for arrival in arrivals if arrival.record not in waits)], sent)
            self._wait_no_longer(queue, arrivals)

    async def _end_burst(self, queue: PatientQueue) -> None:
        """Let a twin observe the late arrivals that waited for one another. Call with the queue's turn."""
        assert queue.state is not None
        outcome = Outcome()
        await self._in_turn(queue, self._processor.ending_burst(queue.state, outcome))
        if queue.abandoned:
            return
        queue.dirty = queue.dirty or queue.state.quarantined is None
        sent = await self._bring_forth(queue, outcome)
        if not queue.abandoned:
            self._told(outcome.waited, sent)

    async def _release(self, queue: PatientQueue) -> None:
        """Let a twin say what it withheld, now that the topics of its partition are level."""
        async with queue.turn:
            if queue.state is not None and not queue.abandoned:
                outcome = await self._in_turn(queue, self._processor.releasing(queue.state))
                queue.dirty = queue.dirty or queue.state.quarantined is None
                if outcome is not None:
                    await self._bring_forth(queue, outcome)

    async def _in_turn(self, queue: PatientQueue, work: Steps[Result]) -> Result | None:
        """Do a patient's work in slices; ``None`` where the queue was abandoned meanwhile."""
        return await self._threads.run_steps(queue.patient_id, work, lambda: not queue.abandoned)

    async def _bring_forth(self, queue: PatientQueue, outcome: Outcome) -> list[Awaitable[object]]:
        """Send what handling brought forth, alerts after the row that holds them. Call with the queue's turn."""
        assert queue.state is not None
        sent = await self._send(queue, outcome)
        queue.unsettled.extend(sent)
        if outcome.alerts and await self._permanence.write_row(queue):
            await self._permanence.publish_alerts(queue)
            for rule, state in outcome.alerts:
                self._metrics.alerts.labels(rule, state).inc()
        self._patients.remember(queue)
        return sent

    async def _send(self, queue: PatientQueue, outcome: Outcome) -> list[Awaitable[object]]:
        sent = []
        for number, output in enumerate(outcome.outputs, start=1):
            if number % BATCH == 0:
                await asyncio.sleep(0)  # a long fold says tens of thousands
            sent.append(await self._port.send(output.topic, queue.key, output.value))
            self._metrics.outputs.labels(output.topic).inc()
        sent.extend([await self._send_rejected(letter) for letter in outcome.rejected])
        for ess in outcome.ess:
            self._metrics.ess.observe(ess)
        self._metrics.refolds.inc(outcome.refolds)
        if outcome.thinned:
            self._metrics.thinned.inc(outcome.thinned)
            _log.warning("messages of twins thinned: more particles than a record holds", messages=outcome.thinned)
        return sent

    async def _send_rejected(self, letter: Rejected) -> Awaitable[object]:
        self._metrics.rejected.labels(letter.reason).inc()
        self._rejected[letter.reason] += 1
        count = self._rejected[letter.reason]
        if str(count).rstrip("0") == "1":  # the 1st, 10th, 100th, …: a flood of bad events must not flood the log
            _log.warning("events rejected", reason=letter.reason, count=count, topic=letter.topic,
                         partition=letter.partition, offset=letter.offset)  # fmt: skip
        try:
            letter = self._processor.stored(letter)
        except KeysUnusable as error:
            self._failed(error)
            raise
        return await self._port.refuse(letter)

    # --- what is permanent ------------------------------------------------------------------------------------------

    async def tick(self, now: float) -> None:
        """Run the barriers that are due; ``now`` is monotonic seconds. To be called several times a second."""
        for number, partition in self._partitions.items():
            if number not in self._barriers and partition.cadence.due(now) and self._is_unsettled(number, partition):
                self._barriers[number] = asyncio.create_task(self.barrier(number))
        if self._barriers:
            await asyncio.wait(self._barriers.values(), timeout=BARRIER_PATIENCE)
        for number, barrier in list(self._barriers.items()):
            if barrier.done():
                del self._barriers[number]
                barrier.result()
        for queue in self._patients.with_withheld():
            idle = queue.worker is None and not queue.pending and not queue.turn.locked()
            if idle and self._partitions[queue.partition].level.holds(time.monotonic()):
                await self._release(queue)
        for queue in self._patients.with_bursts():
            if queue.worker is None and self._burst_has_ended(queue):
                queue.burst_ended = True
                self._begin(queue)
        self._leaving.tick(now)

    def _burst_has_ended(self, queue: PatientQueue) -> bool:
        """Whether no more of the late arrivals that a twin waits for are to be expected."""
        read_to = self._partitions[queue.partition].read_to
        return queue.state is not None and read_to.has_passed(queue.state.burst.ends, time.monotonic())

    async def barrier(self, number: int) -> None:
        """Make permanent what partition ``number`` has handled: outputs, then rows, then the commit mark."""
        partition = self._partitions.get(number)
        if partition is None:
            return
        async with partition.barrier:
            with self._metrics.barrier.time():
                partition.cadence.passed(time.monotonic())
                marks = {topic: frontier.offset for topic, frontier in partition.frontiers.items()}
                sent, partition.unsettled = partition.unsettled, []
                dirty = [queue for queue in self._patients.residents(number) if queue.dirty]
                await durable(sent)
                if not await self._permanence.write_rows(dirty):
                    return
                held = self._partitions.get(number) is partition
                for topic, offset in marks.items():
                    if held and offset > partition.settled[topic]:
                        partition.settled[topic] = offset
                        self._port.settle((topic, number), offset)

    def _is_unsettled(self, number: int, partition: HeldPartition) -> bool:
        return any(
            frontier.offset > partition.settled[topic] for topic, frontier in partition.frontiers.items()
        ) or any(queue.dirty for queue in self._patients.residents(number))

    async def write_again(self, patient_id: str, number: int) -> None:
        """Write a patient's newest durable row once more: it is not the last one in the changelog of its partition."""
        if number in self._partitions:
            async with (queue := self._patients.of(patient_id, number)).turn:
                await self._permanence.write_again(queue)

    def progress(self, end: Callable[[TopicPartition], int | None]) -> list[Progress]:
        """How far each partition is; ``end`` gives the known end of an input's log."""
        now, found = time.monotonic(), []
        for number, partition in sorted(self._partitions.items()):
            places = [((topic, number), frontier.offset) for topic, frontier in partition.frontiers.items()]
            lag = sum(max((end(place) or 0) - offset, 0) for place, offset in places)
            barrier = now - partition.cadence.since_time
            behind = barrier if (ms := partition.newest_ms) is None else max(self._clock() - ms / 1000, 0.0)
            sealed = [
                (queue.patient_id, trouble)
                for queue in self._patients.residents(number)
                if queue.state is not None and (trouble := queue.state.trouble)
            ]
            unsettled = self._is_unsettled(number, partition)
            found.append(Progress(number, lag, behind if lag else 0.0, barrier, unsettled, tuple(sorted(sealed))))
        return found

    # --- bookkeeping ------------------------------------------------------------------------------------------------

    def _drop(self, queue: PatientQueue) -> None:
        """Leave a queue's pending arrivals to whoever reads the partition next."""
        self._wait_no_longer(queue, queue.pending)
        queue.pending.clear()

    def _wait_no_longer(self, queue: PatientQueue, arrivals: Collection[ReceivedEvent | KafkaRecord]) -> None:
        size = sum(map(size_of, arrivals))
        self._waiting.remove(queue.patient_id, queue.partition, len(arrivals), size)

    def _told(self, arrivals: Sequence[ReceivedEvent], sent: list[Awaitable[object]]) -> None:
        """Arrivals are handled, and wait for no others; note the latency of each when what followed is durable."""
        for arrival in arrivals:
            if (partition := self._partitions.get(arrival.record.partition)) is not None:
                partition.handled(arrival.record)

        def note(_: object = None) -> None:
            now = self._clock()
            for arrival in arrivals:
                self._metrics.took(now - arrival.record.timestamp / 1000)

        if sent and isinstance(sent[-1], asyncio.Future):
            sent[-1].add_done_callback(note)
        else:
            note()
