"""The Faust worker: one app over the co-partitioned input topics, adapting Kafka to the dispatcher and nothing more.

`build_worker` puts together the processor, the dispatcher and a Faust app whose consumer, recovery and commits are
those of `streams.worker.recovery`. `run_worker` runs it until a signal; a last barrier makes everything handled so far
permanent.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import faust
import structlog
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    KafkaTimeoutError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from faust.types import TP
from kafka.errors import KafkaError as KafkaAdminError

from connectors.kafka.access.entry import options_for
from connectors.kafka.clients import KafkaUnreachable, broker_answers
from connectors.kafka.membership import client_name
from connectors.kafka.topics import INPUTS, REJECTED_BYTES, home_partition, topic_ids
from connectors.privacy.master_key import KeysUnusable
from connectors.privacy.patient_keys import PatientKeys
from connectors.settings import Settings
from streams.terminal.signals import end_after_grace, ended_if_late
from streams.worker.barrier import BARRIER_EVENTS, BARRIER_SECONDS
from streams.worker.dispatcher import PartitionDispatcher
from streams.worker.engine import KafkaRecord
from streams.worker.fencing.changelog_rows import ChangelogRows
from streams.worker.fencing.foreign_rows import WATCH_SECONDS, ForeignRows
from streams.worker.fencing.lease import Lease, SessionLost
from streams.worker.fencing.port import FaustPort
from streams.worker.heartbeat import Heart, Progress, name_of
from streams.worker.metrics import WorkerMetrics
from streams.worker.offset_continuity import Continuity, TopicPartition, Verdict
from streams.worker.processor import FAR_FUTURE_HOURS, EventProcessor
from streams.worker.recovery import ChangelogLost, OrderedTables, SettledConsumer, SettledTransport, credentials
from streams.worker.residence.leaving import IDLE_SECONDS, MOST_RESIDENT
from streams.worker.rows.changelog import TABLE, changelog_of, group_of
from streams.worker.rows.patient_state import Inputs
from streams.worker.rows.stored_rows import RowsUnwritable
from streams.worker.standstill import (
    STALL_SECONDS,
    ConsumerStuck,
    RecoveryStuck,
    RecoveryWatch,
    check_inputs,
    watch_recovery,
)
from streams.worker.twin_factory import TwinFactory
from streams.worker.versions.moving import MovableTwins
from streams.worker.versions.rolling import Rolling

SESSION_TIMEOUT = 30.0
"""Seconds until the broker gives a silent worker's partitions away: well above any pause of the event loop."""

HEARTBEAT_SECONDS = 1.0
"""Between two words to the broker, whose answer says that another worker's partitions are to be taken over."""

TICK = 0.1
"""Seconds between two looks at what is due."""

LONGEST_TICK = 60.0
"""Seconds between two ticks after which a worker counts as hung."""

_log = structlog.get_logger("dosetwin.worker")

FAILED_SECONDS = 60.0
"""How long a worker that failed has for its end."""

BROKER_LOST = 75
"""Exit code of a worker that the broker was lost to (EX_TEMPFAIL of sysexits.h): it may start anew."""

_GROUP_ERRORS = (
    CommitFailedError,
    IllegalGenerationError,
    KafkaTimeoutError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker runs; times in seconds."""

    barrier_events: int = BARRIER_EVENTS
    barrier_seconds: float = BARRIER_SECONDS
    far_future_hours: float = FAR_FUTURE_HOURS
    session_timeout: float = SESSION_TIMEOUT
    idle_seconds: float = IDLE_SECONDS
    most_resident: int = MOST_RESIDENT
    instance: str = ""
    """Static group membership: a worker that restarts under the same name takes its partitions back at once."""
    posteriors: bool = False
    """Whether twins say their particles, under their patients' keys."""


class TwinApp(faust.App):
    """A Faust app that hands restored partitions to a dispatcher, and takes them back before they go."""

    dispatcher: PartitionDispatcher
    metrics: WorkerMetrics
    bootstrap: str
    heart: Heart
    port: FaustPort
    rows: ChangelogRows
    inputs: Inputs
    rolling: Rolling | None

    def __init__(self, *args: Any, continuity: Continuity, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.continuity = continuity
        self.lease = Lease(self.conf.broker_session_timeout)
        self._rewinds: set[asyncio.Task[None]] = set()
        self.recovery_watch = RecoveryWatch()
        self.last_taken = self.ticked = time.monotonic()

    def dead(self) -> str:
        """Why the process must be started again; empty while its event loop comes back to its work."""
        silent = time.monotonic() - self.ticked
        return f"the event loop has not come back for {silent:.0f} s" if silent > LONGEST_TICK else ""

    def waiting(self) -> str:
        """Why no twin is moved now; empty where that is not so."""
        untaken = "" if self.dispatcher.holds_partitions else "no partitions are taken over yet"
        return self.dead() or self.recovery_watch.told() or untaken

    async def take_over(self, starts: Mapping[TP, int]) -> None:
        """Called by the recovery while all inputs rest: reading will begin at ``starts``."""
        begins = {(tp.topic, tp.partition): offset for tp, offset in starts.items()}
        for partition, offset in begins.items():
            self.continuity.start(partition, offset)
        self.last_taken = time.monotonic()
        hold = self.port.hold({number for _, number in begins}, self.consumer_generation_id)
        self.inputs.ids, terms = await asyncio.gather(self._topic_ids({topic for topic, _ in begins}), hold)
        cut = cast(SettledConsumer, self.consumer).cut
        self.inputs.cut = {(tp.topic, tp.partition): terms[tp.partition] for tp in cut}
        await self.dispatcher.open(begins)
        for key, number in self.port.outdated():
            await self.dispatcher.write_again(key.decode(), number)

    async def admit(self, record: Any) -> None:
        """Give one record to the dispatcher, unless its offset shows a repeat, or that one is missing before it."""
        partition = record.topic, record.partition
        verdict = self.continuity.check(partition, record.offset, time.monotonic())
        if verdict is Verdict.MISSING:
            _log.warning("records missing: rewinding", topic=record.topic, partition=record.partition,
                         expected=self.continuity.expected(partition), found=record.offset)  # fmt: skip
            self.metrics.gaps.inc()
            self._rewind(partition)
        if verdict is not Verdict.NEXT:
            return
        self.last_taken = time.monotonic()
        taken = KafkaRecord(*partition, record.offset, record.timestamp, record.key, record.value or b"")
        await self.dispatcher.receive(taken)

    async def tick(self) -> None:
        """What is due by time: heartbeats, barriers, and rewinds that brought nothing."""
        now = self.ticked = time.monotonic()
        self.lease.require()
        self.heart.tick(now, self.progress)
        await self.dispatcher.tick(now)
        for partition in self.continuity.overdue(now):
            self._rewind(partition)

    def progress(self) -> list[Progress]:
        """How far each partition is, with those whose recovery stands still."""
        taken = self.dispatcher.progress(lambda place: self.consumer.highwater(TP(*place)))
        return [*taken, *self.recovery_watch.progress()]

    async def check_changelog(self) -> None:
        """Write again what a worker wrote over that had lost its partition: compaction would take what counts away."""
        for record in await self.port.written_over():
            _log.warning("a state row was written over", partition=record.partition)
            await self.dispatcher.write_again(record.key.decode(errors="replace"), record.partition)

    def fail(self, error: BaseException) -> None:
        """Stop the worker for ``error``; what is not durable will be read again by the next one."""
        self._failing = asyncio.ensure_future(self.crash(error))

    async def _topic_ids(self, topics: set[str]) -> dict[str, str]:
        """Ids of the inputs; those known before where the broker does not say."""
        try:
            return await asyncio.to_thread(topic_ids, self.bootstrap, topics)
        except (KafkaUnreachable, KafkaAdminError, OSError) as error:
            _log.warning("the broker does not say whether input topics are the same", error=type(error).__name__)
            return self.inputs.ids

    def _rewind(self, partition: TopicPartition) -> None:
        task = asyncio.ensure_future(
            cast(SettledConsumer, self.consumer).rewind(TP(*partition), self.continuity.expected(partition))
        )
        self._rewinds.add(task)
        task.add_done_callback(self._rewound)

    def _rewound(self, task: asyncio.Task[None]) -> None:
        self._rewinds.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("rewind failed; it will be tried again", error=type(error).__name__)

    def _new_transport(self) -> Any:
        return SettledTransport(self.conf.broker_consumer, self)

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        if not self.should_stop:
            try:
                await self._hand_back()
            except Exception as error:
                # Kafka's client would only log it, and wait for ever for who has not given back.
                _log.error("partitions cannot be given back", error=_told(error))
                if isinstance(error, RowsUnwritable):
                    end_after_grace()
                self.fail(error)
                return
        await super()._on_partitions_revoked(revoked)

    async def on_stop(self) -> None:
        """Faust's callback, while producer and consumer still run."""
        await self._hand_back()
        await super().on_stop()

    async def _hand_back(self) -> None:
        given_back = self.progress()
        if self.lease.is_lost:
            self.dispatcher.abandon()
        else:
            await self.dispatcher.surrender()
            await self.heart.farewell(given_back)
        self.port.let_go()
        self.continuity.stop_all()
        if not self.lease.is_lost:
            await self.consumer.commit()


def build_worker(
    settings: Settings,
    twins: TwinFactory,
    datadir: Path,
    options: WorkerOptions | None = None,
    *,
    keys: PatientKeys | None = None,
    table_manager: type[OrderedTables] = OrderedTables,
) -> TwinApp:
    """The worker as a Faust app, ready for `run_worker`.

    ``datadir`` is for the state rows, encrypted by ``keys``; none is needed after a restart. ``table_manager``
    exchanges the recovery, for tests that show what the watch over offsets is good for.
    """
    options = options or WorkerOptions()
    prefix, entry = settings.topic_prefix, options_for(settings.kafka)
    app = TwinApp(
        group_of(settings),
        continuity=Continuity(),
        broker=";".join(f"kafka://{address}" for address in settings.kafka.split(",")),
        broker_credentials=credentials(entry),
        datadir=str(datadir),
        store="memory://",
        autodiscover=False,
        origin=None,
        processing_guarantee="at_least_once",
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        web_enabled=False,
        worker_redirect_stdouts=False,
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=options.instance or None,
        broker_client_id=client_name(),
        broker_session_timeout=options.session_timeout,
        broker_heartbeat_interval=HEARTBEAT_SECONDS,
        broker_commit_interval=1.0,
        broker_commit_livelock_soft_timeout=1800.0,
        stream_processing_timeout=1800.0,
        stream_wait_empty=False,
        producer_acks=-1,
        producer_max_request_size=REJECTED_BYTES,
        TableManager=table_manager,
        Table=ChangelogRows,
    )
    table = app.Table(TABLE, key_type=bytes, value_type=bytes, partitions=settings.partitions)
    app.rows = cast(ChangelogRows, table)
    app.bootstrap, app.metrics = settings.kafka, WorkerMetrics()
    app.port = port = FaustPort(app, app.rows, prefix, ForeignRows(settings.kafka, changelog_of(settings), entry))
    app.heart = Heart(name_of(options.instance), settings.partitions, options.barrier_seconds, port.beat, app.metrics)
    processor = EventProcessor(
        twins, far_future_hours=options.far_future_hours, keys=keys, posteriors=options.posteriors
    )
    app.inputs = processor.inputs
    app.dispatcher = PartitionDispatcher(
        processor,
        port,
        app.metrics,
        home=lambda key: home_partition(key, settings.partitions),
        failed=app.fail,
        barrier_events=options.barrier_events,
        barrier_seconds=options.barrier_seconds,
        idle_seconds=options.idle_seconds,
        most_resident=options.most_resident,
    )
    app.rolling = None
    if isinstance(twins, MovableTwins):
        app.rolling = Rolling(twins, port, app.dispatcher.look_at, app.metrics)
    inputs = app.topic(*(prefix + topic for topic in INPUTS), key_type=bytes, value_type=bytes, allow_empty=True)

    async def subscribed(stream: Any) -> None:
        events: AsyncIterator[Any] = stream.noack().events()
        async for _ in events:
            raise AssertionError("inputs go to `TwinApp.admit`; Faust's agent only subscribes to them")

    app.agent(inputs, name="twins", concurrency=1)(subscribed)
    return app


async def run_worker(app: TwinApp, stopping: asyncio.Event | None = None, told: threading.Event | None = None) -> int:
    """Run until ``stopping`` (by default SIGTERM or SIGINT, after which the process ends within seconds, as it does
    where a worker that failed does not come to its end in `FAILED_SECONDS`); not at all where ``told`` to stop by a
    signal before. Returns 0 after a last barrier, `BROKER_LOST` if the broker went away for longer than records wait
    for it, or 1.
    """
    at_work = stopping is None
    if stopping is None:
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, _stop, stopping)
    if told is not None and told.is_set():
        app.dispatcher.close()
        app.rows.close()
        return 0
    app.in_worker = True
    app.finalize()
    work = [
        asyncio.ensure_future(stopping.wait()),
        asyncio.ensure_future(app._crashed.wait()),
        asyncio.ensure_future(_heartbeat(app)),
        asyncio.ensure_future(_watch_changelog(app)),
        asyncio.ensure_future(watch_recovery(app)),
        *([] if app.rolling is None else [asyncio.ensure_future(app.rolling.run())]),
    ]
    start = asyncio.ensure_future(app.start())
    failure: BaseException | None = None
    try:
        done, _ = await asyncio.wait([start, *work], return_when=asyncio.FIRST_COMPLETED)
        if start in done and start.exception() is None:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        failure = next((task.exception() for task in done if task.exception() is not None), None)
    finally:
        for task in work[2:]:
            task.cancel()
        # A client that waits for a broker without end must not keep a worker that failed from being started again.
        with ended_if_late(FAILED_SECONDS) if at_work and not stopping.is_set() else nullcontext():
            await app.stop()
        app.dispatcher.close()
        for task in (start, *work):
            task.cancel()
        await asyncio.gather(start, *work, return_exceptions=True)
        app.rows.close()
    failure = failure or app.crash_reason
    if failure is not None:
        if broker_lost(failure, app.bootstrap):
            _log.warning("worker lost the broker", error=_told(failure), **app.metrics.summary())
            return BROKER_LOST
        _log.error("worker failed", error=_told(failure), exc_info=failure, **app.metrics.summary())
        return 1
    _log.info("worker stopped", **app.metrics.summary())
    return 0


def _stop(stopping: asyncio.Event) -> None:
    if not stopping.is_set():
        end_after_grace()
    stopping.set()


def broker_lost(failure: BaseException, bootstrap: str) -> bool:
    """Whether a worker that starts anew may do better: what failed is the connection, not what was sent over it."""
    passing = isinstance(failure, KafkaError) and (failure.retriable or isinstance(failure, _GROUP_ERRORS))
    passing = passing or isinstance(failure, OSError | TimeoutError | ConsumerStuck | RecoveryStuck | SessionLost)
    return passing or not broker_answers(bootstrap)


def _told(failure: BaseException) -> str:
    """What a log may say of a failure: what others' exceptions say may hold values of a patient."""
    speak = ConsumerStuck | RecoveryStuck | ChangelogLost | KafkaError | RowsUnwritable | KeysUnusable
    return f"{type(failure).__name__}: {failure}" if isinstance(failure, speak) else type(failure).__name__


async def _heartbeat(app: TwinApp) -> None:
    checked = time.monotonic()
    while True:
        await asyncio.sleep(TICK)
        await app.tick()
        if time.monotonic() - checked > STALL_SECONDS / 6:
            checked = time.monotonic()
            await check_inputs(app)


async def _watch_changelog(app: TwinApp) -> None:
    """Beside the heartbeat, which must not wait for what a broker that is busy or gone will answer later."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            await app.check_changelog()
        except SessionLost:
            raise
        except (KafkaError, OSError, TimeoutError) as error:
            _log.debug("the changelog could not be looked at; it will be again", error=type(error).__name__)
