"""Faust's way back after a restart or rebalance, put right: no record dropped, no offset committed unhandled.

Four things go wrong in Faust 0.15 when tables have been restored:

- It resumes the input partitions *before* it seeks them to their committed offsets, and clears its queues last of all.
  What was prefetched in between is dropped, or handled, sought back, and handled again. `OrderedRecovery` resumes in
  the order *seek, clear the queues, take over the partitions, resume partitions, resume flow*.
- A fetch under way holds the very set of partitions that is emptied when the changelogs are paused, and to the client
  an empty set means *all*: it then takes records of resting inputs, which Faust throws away. `SettledConsumer` fetches
  with a copy, and never with an empty one.
- A fetch that waits while a group is divided anew goes on when that is done, and may take what the recovery has just
  sought, for one who asked before and throws it away: then the recovery waits for ever. `_PromptConsumerThread` puts
  back where it was what a fetch took across a change of assignments.
- Its commit follows the offsets that it saw acknowledged, and lets a hole of one record pass. `SettledConsumer` commits
  exactly what the barrier settled.

Changelogs go on to Faust's tables. Inputs go to ``app.admit``, in the order of `streams.worker.event_time_merge`, and
not by Faust's channels and streams, where each record passes two tasks and two queues: that costs several times what
a twin does with a reading.

`streams.worker.offset_continuity` watches over the result, record by record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator, Mapping
from typing import Any, cast

import faust
import structlog
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.worker.event_time_merge import EventTimeMerge
from streams.worker.fencing.lease import renew_with, send_under

FETCH_WAIT_MS = 25
"""Longest time a fetch waits at the broker. Faust's own 1500 ms would hold back partitions that were not asked for."""

LONGEST_FETCH = 0.1
"""Seconds after which a fetch that brought nothing begins anew, with the partitions that are then wanted."""

AT_ONCE = 50
"""Records handed on until others have their turn on the event loop: a few ms."""

_log = structlog.get_logger("dosetwin.worker")


class ChangelogLost(RuntimeError):
    """There are no state rows for what was committed, and they cannot be made from the inputs."""

    def __init__(self, topics: Iterable[str]) -> None:
        said = f"state rows are lost, and {', '.join(topics)} no longer begin with their first record"
        mend = "bring the changelog topic back from a back-up, or delete the consumer group to fold what is left"
        super().__init__(f"{said}: {mend}")


class SettledConsumer(driver.Consumer):
    """Commits what was settled and nothing else; knows where each input partition begins."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settled: dict[TP, int] = {}
        self.cut: set[TP] = set()
        self._merge = EventTimeMerge()
        self._fetching = 0.0

    def settle(self, partition: TP, offset: int) -> None:
        """Everything below ``offset`` is permanent; the next commit says so."""
        self._settled[partition] = offset

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        active = active_partitions if active_partitions is not None else set()
        wanted = active - self._merge.full()
        if wanted:
            wait = FETCH_WAIT_MS / 1000 if self._merge.holding() else min(timeout, LONGEST_FETCH)
            begun = time.monotonic()
            fetched = await super()._getmany(wanted, wait)
            self._fetching += time.monotonic() - begun
        else:
            await asyncio.sleep(FETCH_WAIT_MS / 1000)
            fetched = {}
        self._merge.add({tp: batch for tp, batch in fetched.items() if tp in active and not self._is_changelog_tp(tp)})
        resting = cast(Any, self.app).dispatcher.resting
        known = active | self._buffered_partitions
        inputs = [tp for tp in known if not self._is_changelog_tp(tp) and tp.partition not in resting]
        await self._hand_on(self._merge.release(inputs, self.highwater, self._fetching, 1000 * time.time()))
        return {tp: batch for tp, batch in fetched.items() if tp in active and self._is_changelog_tp(tp)}

    async def _hand_on(self, released: Iterable[tuple[TP, Any]]) -> None:
        """Give input records to the app, until the flow is stopped: then the rest will be sought again."""
        app = cast(Any, self.app)
        generation = app.consumer_generation_id
        try:
            for number, (_, record) in enumerate(released):
                if number % AT_ONCE == 0:
                    await asyncio.sleep(0)
                if not self.flow_active or app.consumer_generation_id != generation:
                    return
                await app.admit(record)
        except Exception as error:
            await app.crash(error)
            raise

    async def perform_seek(self) -> None:
        """Seek everything to its committed offset; what was fetched before is void."""
        self._merge.forget()
        await super().perform_seek()

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in list(self._settled) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._settled.get(tp)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Faust's callback; the marks are needed until the last barrier of these partitions has run in it."""
        await super().on_partitions_revoked(revoked)
        self._merge.forget(revoked)
        for partition in revoked:
            self._settled.pop(partition, None)

    async def seek_to_starts(self, partitions: Iterable[TP], without_rows: Container[int] = ()) -> dict[TP, int]:
        """Seek each partition to its committed offset, or to its first record where none is committed.

        What is committed counts only as far as the log goes (`cut` are the partitions whose log ends before it), and
        only with the rows that it was committed for: the partitions of numbers in ``without_rows`` are read again.

        Returns where each partition now stands.

        Raises:
            ChangelogLost: there are no rows, and the inputs do not go back to their beginning.
        """
        partitions = list(partitions)
        await self.perform_seek()
        committed: Mapping[TP, int | None] = self._committed_offset
        first, ends = await self.earliest_offsets(*partitions), await self.highwaters(*partitions)
        starts, anew, self.cut, lost = {}, {}, set(), set()
        for tp in partitions:
            begin, offset = int(first.get(tp) or 0), committed.get(tp)
            if offset is not None and offset > int(ends.get(tp) or 0):
                self.cut.add(tp)
            elif offset and tp.partition in without_rows:
                lost.add(tp.partition)
            elif offset is not None:
                starts[tp] = offset
                continue
            starts[tp] = anew[tp] = begin
        if lost:
            _log.error("the changelog is lost: all inputs are read again from their beginning", partitions=sorted(lost))
            if short := sorted({tp.topic for tp in partitions if tp.partition in lost and first.get(tp)}):
                raise ChangelogLost(short)
        if anew:
            await self.seek_wait(anew)
        for tp, offset in starts.items():
            self._merge.start(tp, offset)
        return starts

    async def rewind(self, partition: TP, offset: int) -> None:
        """Read the partition again from ``offset``. It is paused first, so that no older batch can cross the seek."""
        self.pause_partitions([partition])
        try:
            await asyncio.sleep(1.5 * LONGEST_FETCH)
            await self.seek_wait({partition: offset})
            self._merge.start(partition, offset)
        finally:
            self.resume_partitions([partition])

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _PromptConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _PromptConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # read when the consumer starts; Faust offers no setting for it
        renew_with(consumer._client, cast(Any, self.app).lease)
        return consumer

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Any:
        """Faust's call of the client; nothing is taken by who asked under another assignment."""
        asked = _assignment(consumer)
        fetched = await super()._fetch_records(consumer, *args, **kwargs)
        if _assignment(consumer) is asked:
            return fetched
        for tp, batch in fetched.items():  # without an await in between: whoever seeks comes before or after
            consumer.seek(tp, batch[0].offset)
        return {}

    async def on_thread_stop(self) -> None:
        """Faust's callback. A fetch that waits for a broker which is away ends by a cancellation that aiokafka passes
        on; with it the thread would never be known to have ended, and Faust would wait a minute for it."""
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            assert self._consumer is not None
            await self._consumer._client.close()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Only that fetches are answered; the inputs are watched by `streams.worker.standstill`."""
        self._verify_aiokafka_event_path(now, tp)


def _assignment(consumer: Any) -> object:
    """What the client holds, another object after each division of the group."""
    subscription = consumer._subscription.subscription
    return subscription and subscription.assignment


class FencedProducer(driver.Producer):
    """Sends nothing when others may hold the worker's partitions."""

    def _new_producer(self, transactional_id: str | None = None) -> Any:
        producer = super()._new_producer(transactional_id)
        send_under(producer.client, cast(Any, self.app).lease)
        return producer


class SettledTransport(driver.Transport):
    """Kafka by aiokafka, with `SettledConsumer` and `FencedProducer`."""

    Consumer = SettledConsumer
    Producer = FencedProducer


class OrderedRecovery(Recovery):
    """Recovery that seeks before it resumes. ``app.take_over(starts)`` is awaited while all inputs still rest."""

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Faust's callback: the tables are restored."""
        await self.app.on_rebalance_complete.send()
        self._set_recovery_ended()
        for table in self.tables.values():
            await table.on_recovery_completed(self.actives_for_table[table], self.standbys_for_table[table])
        await self._resume_inputs(generation_id)

    async def _resume_inputs(self, generation_id: int) -> None:
        app, consumer = cast(Any, self.app), cast(SettledConsumer, self.app.consumer)
        if app.consumer_generation_id != generation_id:
            _log.info("rebalanced again during recovery")
            return
        inputs = {tp for tp in consumer.assignment() if not self._is_changelog_tp(tp)}
        starts: dict[TP, int] = {}
        if inputs:
            timeout = app.conf.broker_request_timeout
            without_rows = {tp.partition for tp in inputs if app.rows.is_empty(tp.partition)}
            try:
                starts = await self._unless_rebalanced(consumer.seek_to_starts(inputs, without_rows), timeout)
            except ChangelogLost as error:
                await app.crash(error)
                return
        self.completed.set()
        app.flow_control.resume()  # clears every queue
        await self._unless_rebalanced(app.take_over(starts), None)
        consumer.resume_partitions(inputs)
        consumer.resume_flow()
        await app._fetcher.maybe_start()
        self.tables.on_actives_ready()
        if not app.assignor.assigned_standbys():
            self.tables.on_standbys_ready()
        app.on_rebalance_end()
        _log.info("worker ready", partitions=len({tp.partition for tp in inputs}))

    async def _unless_rebalanced(self, work: Awaitable[Any], timeout: float | None) -> Any:
        """The work's result; raises as `Recovery._wait` does when another rebalance or a stop comes first."""
        task = asyncio.ensure_future(work)
        await self._wait(task, timeout=timeout)
        return await task


class OrderedTables(TableManager):
    """Faust's table manager with `OrderedRecovery`."""

    recovery_class: Callable[..., Recovery] = OrderedRecovery

    @property
    def recovery(self) -> Recovery:
        """The recovery service, made on first use."""
        if self._recovery is None:
            self._recovery = self.recovery_class(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """Faust's own waits for a second first, in which agents might still come; there are none."""
        await self._update_channels()
        await self.recovery.start()


def credentials(entry: Mapping[str, Any]) -> faust.auth.Credentials | None:
    """The options of a client by which Kafka is entered, as Faust wants them; `None` in the clear."""
    if not entry:
        return None
    if "sasl_mechanism" not in entry:
        return faust.SSLCredentials(context=entry["ssl_context"])
    return faust.SASLCredentials(
        username=entry["sasl_plain_username"],
        password=entry["sasl_plain_password"],
        ssl_context=entry["ssl_context"],
        mechanism=entry["sasl_mechanism"],
    )
