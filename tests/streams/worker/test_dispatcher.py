"""The partition dispatcher on a stream engine of wood: what is sent, made durable and committed, in which order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from typing import Any

import pytest

from connectors.kafka.topics import ALERTS, ESTIMATES, REJECTED, topic_of
from streams.worker.dispatcher import BATCH, PartitionDispatcher
from streams.worker.engine import KafkaRecord
from streams.worker.metrics import WorkerMetrics
from streams.worker.processor import EventProcessor
from streams.worker.residence.permanence import AT_ONCE
from streams.worker.rows.state_row import calls_for_attention, decode_row
from streams.worker.turns.queues import PatientQueue
from streams.worker.twin_factory import TwinFactory
from tests.streams.worker.fake_twin import FakeTwin, FakeTwins, FakeUpdate
from tests.streams.worker.stage import enrolment, lab, pump
from tests.streams.worker.test_barrier import NOW
from twin.events import Alert, InputEvent, Rejected, decode_output, encode
from twin.steps import Steps


class FakePort:
    """Records what happens in which order; confirmations can be held back."""

    def __init__(self) -> None:
        self.journal: list[tuple[str, Any]] = []
        self.stored: dict[bytes, bytes] = {}
        self.durable = asyncio.Event()
        self.durable.set()
        self.fails = False

    async def send(self, topic: str, key: bytes | None, value: bytes) -> Awaitable[object]:
        self.journal.append((f"send {topic}", (key, value)))
        return asyncio.ensure_future(self._confirm(f"durable {topic}", (key, value)))

    async def refuse(self, letter: Rejected) -> Awaitable[object]:
        return await self.send(REJECTED, (letter.patient_id or "").encode() or None, encode(letter))

    async def write_row(self, partition: int, key: bytes, row: bytes) -> Awaitable[object]:
        self.journal.append(("send row", (partition, key)))

        async def stored() -> None:
            await self._confirm("durable row", key)
            self.stored[key] = row

        return stored()

    def read_row(self, key: bytes) -> bytes | None:
        return self.stored.get(key)

    def calling(self) -> Iterable[bytes]:
        return [key for key, row in self.stored.items() if calls_for_attention(row)]

    def settle(self, partition: tuple[str, int], offset: int) -> None:
        self.journal.append(("settle", (*partition, offset)))

    async def _confirm(self, what: str, detail: object) -> None:
        await self.durable.wait()
        if self.fails:
            raise ConnectionError("broker gone")
        self.journal.append((what, detail))

    def steps(self) -> list[str]:
        return [what for what, _ in self.journal]

    def marks(self) -> dict[tuple[str, int], int]:
        return {(topic, partition): offset for what, mark in self.journal if what == "settle"
                for topic, partition, offset in [mark]}  # fmt: skip

    def sent(self, topic: str) -> list[bytes]:
        return [detail[1] for what, detail in self.journal if what == f"send {topic}"]


class Bedside:
    """A ward with one partition, and a way to hand it events."""

    def __init__(self, port: FakePort, twins: TwinFactory | None = None, **options: Any) -> None:
        self.port = port
        self.failures: list[BaseException] = []
        self.metrics = WorkerMetrics()
        self.dispatcher = PartitionDispatcher(
            EventProcessor(twins or FakeTwins()), port, self.metrics, home=lambda _: 0, failed=self.failures.append,
            barrier_events=1000, barrier_seconds=1000.0, clock=lambda: NOW / 1000 + 1, **options,
        )  # fmt: skip
        self.offsets = dict.fromkeys(("iomt.pump", "clinical.labs", "twin.commands"), 0)

    async def open(self) -> None:
        await self.dispatcher.open({(topic, 0): offset for topic, offset in self.offsets.items()})

    async def receive(self, *events: InputEvent) -> None:
        for event in events:
            topic = topic_of(event)
            record = KafkaRecord(topic, 0, self.offsets[topic], NOW, event.patient_id.encode(), encode(event))
            self.offsets[topic] += 1
            await self.dispatcher.receive(record)

    def queue(self, patient_id: str) -> PatientQueue:
        queue = self.dispatcher._patients.find(patient_id)
        assert queue is not None
        return queue

    async def settled_down(self) -> None:
        while any(queue.worker is not None for queue in self.dispatcher._patients):
            await asyncio.sleep(0.005)


@pytest.fixture
async def bedside() -> AsyncIterator[Bedside]:
    bed = Bedside(FakePort())
    await bed.open()
    yield bed
    bed.port.durable.set()
    bed.dispatcher.close()


async def test_outputs_are_durable_before_the_row_and_the_row_before_the_mark(bedside: Bedside) -> None:
    await bedside.receive(enrolment("A"), lab("A", 1))
    await bedside.settled_down()
    await bedside.dispatcher.barrier(0)
    steps = bedside.port.steps()
    last_output = len(steps) - 1 - steps[::-1].index(f"durable {ESTIMATES}")
    assert last_output < steps.index("send row") < steps.index("durable row") < steps.index("settle")
    assert bedside.port.marks() == {("twin.commands", 0): 1, ("clinical.labs", 0): 1}


async def test_nothing_is_settled_while_outputs_are_not_durable(bedside: Bedside) -> None:
    bedside.port.durable.clear()
    await bedside.receive(enrolment("A"), lab("A", 1))
    await bedside.settled_down()
    waiting = asyncio.create_task(bedside.dispatcher.barrier(0))
    await asyncio.sleep(0.05)
    assert "send row" not in bedside.port.steps()
    assert "settle" not in bedside.port.steps()
    bedside.port.durable.set()
    await waiting
    assert "settle" in bedside.port.steps()


async def test_the_rows_of_a_barrier_are_on_their_way_together(bedside: Bedside) -> None:
    patients = [f"P{number}" for number in range(2 * AT_ONCE)]
    await bedside.receive(*(enrolment(patient) for patient in patients))
    await bedside.settled_down()
    bedside.port.durable.clear()
    barrier = asyncio.create_task(bedside.dispatcher.barrier(0))
    async with asyncio.timeout(60):
        while bedside.port.steps().count("send row") < AT_ONCE:
            await asyncio.sleep(0.005)
    bedside.port.durable.set()
    await barrier
    assert len(bedside.port.stored) == len(patients)


async def test_a_failed_output_fails_the_barrier_and_settles_nothing(bedside: Bedside) -> None:
    await bedside.receive(enrolment("A"))
    await bedside.settled_down()
    bedside.port.fails = True
    await bedside.receive(lab("A", 1))
    await bedside.settled_down()
    with pytest.raises(ConnectionError):
        await bedside.dispatcher.barrier(0)
    assert "settle" not in bedside.port.steps()


async def test_the_mark_stops_before_an_event_that_is_still_worked_on(bedside: Bedside) -> None:
    await bedside.receive(enrolment("A"), enrolment("B"))
    await bedside.settled_down()
    queue = bedside.queue("A")
    assert queue.state is not None
    assert queue.state.twin is not None
    queue.state.twin.slow = 0.3  # type: ignore[attr-defined]
    await bedside.receive(lab("A", 1), lab("B", 1))
    await asyncio.sleep(0.1)
    await bedside.dispatcher.barrier(0)
    assert bedside.port.marks().get(("clinical.labs", 0), 0) == 0
    await bedside.settled_down()
    await bedside.dispatcher.barrier(0)
    assert bedside.port.marks()[("clinical.labs", 0)] == 2


async def test_an_idle_partition_is_settled_by_time(bedside: Bedside) -> None:
    await bedside.receive(enrolment("A"))
    await bedside.settled_down()
    loop_time = asyncio.get_running_loop().time()
    await bedside.dispatcher.tick(loop_time + 1.0)
    assert "settle" not in bedside.port.steps()
    await bedside.dispatcher.tick(loop_time + 2000.0)
    assert bedside.port.marks() == {("twin.commands", 0): 1}
    bedside.port.journal.clear()
    await bedside.dispatcher.tick(loop_time + 9000.0)
    assert bedside.port.journal == []


async def test_an_alert_is_sent_only_after_a_durable_row_holds_it(bedside: Bedside) -> None:
    await bedside.receive(enrolment("A"), lab("A", 1, value=0.1))
    await bedside.settled_down()
    steps = bedside.port.steps()
    assert steps.index("durable row") < steps.index(f"send {ALERTS}")
    (alert,) = bedside.port.sent(ALERTS)
    assert decode_row(bedside.port.stored[b"A"]).outbox == (alert,)
    told = decode_output(alert)
    assert isinstance(told, Alert)
    rule_and_state = {"rule": told.rule, "state": told.state}
    assert bedside.metrics.registry.get_sample_value("dosetwin_alerts_total", rule_and_state) == 1
    await bedside.dispatcher.barrier(0)
    assert decode_row(bedside.port.stored[b"A"]).outbox == ()


async def test_an_alert_left_in_the_outbox_by_a_crash_is_sent_by_the_next_worker(bedside: Bedside) -> None:
    await bedside.receive(enrolment("A"), lab("A", 1, value=0.1))
    await bedside.settled_down()
    after = Bedside(FakePort())
    after.port.stored = dict(bedside.port.stored)
    await after.open()
    assert after.port.sent(ALERTS) == bedside.port.sent(ALERTS)
    await after.dispatcher.barrier(0)
    assert decode_row(after.port.stored[b"A"]).outbox == ()
    after.dispatcher.close()


async def test_a_second_worker_that_reads_everything_again_comes_to_the_same(bedside: Bedside) -> None:
    events = [enrolment("A"), *(lab("A", minute) for minute in range(6)), pump("A", 9)]
    await bedside.receive(*events[:4])
    await bedside.settled_down()
    await bedside.dispatcher.barrier(0)
    after = Bedside(FakePort())
    after.port.stored = dict(bedside.port.stored)
    await after.open()
    await after.receive(*events)
    await after.settled_down()
    await after.dispatcher.barrier(0)
    await bedside.receive(*events[4:])
    await bedside.settled_down()
    await bedside.dispatcher.barrier(0)
    assert after.port.stored == bedside.port.stored
    assert after.metrics.summary()["repeats"] == 4
    after.dispatcher.close()


async def test_surrender_makes_permanent_what_is_handled_and_leaves_the_rest(bedside: Bedside) -> None:
    await bedside.receive(enrolment("A"))
    await bedside.settled_down()
    state = bedside.queue("A").state
    assert state is not None
    assert state.twin is not None
    state.twin.slow = 0.05  # type: ignore[attr-defined]
    await bedside.receive(*(lab("A", minute) for minute in range(500)))
    await asyncio.sleep(0.1)
    await bedside.dispatcher.surrender(patience=10.0)
    applied = {topic: offset for topic, _, offset in decode_row(bedside.port.stored[b"A"]).applied}
    assert bedside.port.marks()[("clinical.labs", 0)] == applied["clinical.labs"] + 1 < 500
    await bedside.receive(lab("A", 600))
    assert len(bedside.dispatcher._patients) == 0


@pytest.mark.parametrize("value", [3.0, 0.1])
async def test_what_is_given_up_writes_nothing_any_more(bedside: Bedside, value: float) -> None:
    """Neither a barrier under way nor an alert that waits for its row: another may hold the partition by then."""
    await bedside.receive(enrolment("A"))
    await bedside.settled_down()
    bedside.port.durable.clear()
    await bedside.receive(lab("A", 1, value=value))
    barrier = asyncio.create_task(bedside.dispatcher.barrier(0))
    await asyncio.sleep(0.05)
    bedside.dispatcher.abandon()
    await bedside.dispatcher.open({("clinical.labs", 0): 0})
    bedside.port.durable.set()
    await barrier
    await asyncio.sleep(0.05)
    assert bedside.dispatcher.is_idle
    await bedside.dispatcher.barrier(0)
    assert "send row" not in bedside.port.steps()
    assert bedside.port.sent(ALERTS) == []
    assert bedside.port.marks() == {}
    assert bedside.failures == []


async def test_surrender_gives_up_on_a_broker_that_does_not_answer(bedside: Bedside) -> None:
    await bedside.receive(enrolment("A"))
    await bedside.settled_down()
    bedside.port.durable.clear()
    await bedside.dispatcher.surrender(patience=0.1)
    assert "settle" not in bedside.port.steps()


async def test_patients_overtake_one_another_but_one_patient_is_in_order(bedside: Bedside) -> None:
    await bedside.receive(enrolment("SLOW"), enrolment("FAST"))
    await bedside.settled_down()
    state = bedside.queue("SLOW").state
    assert state is not None
    assert state.twin is not None
    state.twin.slow = 0.1  # type: ignore[attr-defined]
    bedside.port.journal.clear()
    await bedside.receive(*(lab("SLOW", minute) for minute in range(3)), *(lab("FAST", minute) for minute in range(3)))
    await bedside.settled_down()
    said = [decode_output(value) for value in bedside.port.sent(ESTIMATES)]
    assert [output.patient_id for output in said][:3] == ["FAST"] * 3
    for patient in ("SLOW", "FAST"):
        times = [output.time for output in said if output.patient_id == patient]
        assert times == sorted(times)
        assert len(times) == 3


async def test_reading_pauses_while_too_many_records_wait(bedside: Bedside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.worker.turns.waiting.MOST", 5)
    await bedside.receive(enrolment("A"))
    await bedside.settled_down()
    slow(bedside, "A", 0.02)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await bedside.receive(*(lab("A", minute) for minute in range(50)))
    assert len(bedside.dispatcher._waiting) <= 5
    await bedside.receive(lab("A", 99))
    await bedside.settled_down()
    assert len(bedside.dispatcher._waiting) == 0


# --- one patient among others -----------------------------------------------------------------------------------------


def slow(bedside: Bedside, patient: str, seconds: float) -> None:
    """Let each result cost a patient's twin so long."""
    state = bedside.queue(patient).state
    assert state is not None
    assert state.twin is not None
    state.twin.slow = seconds  # type: ignore[attr-defined]


async def test_a_flood_of_two_heavy_patients_holds_up_no_other(bedside: Bedside) -> None:
    heavy, others = ("H1", "H2"), [f"P{number}" for number in range(10)]
    await bedside.receive(*(enrolment(patient) for patient in (*heavy, *others)))
    await bedside.settled_down()
    for patient in heavy:
        slow(bedside, patient, 0.03)
    flood = [lab(patient, minute) for minute in range(700) for patient in heavy]
    async with asyncio.timeout(20.0):  # the flood is 42 s of work, and more records than may wait
        await bedside.receive(*flood)
        for minute in range(3):
            bedside.port.journal.clear()
            await bedside.receive(*(lab(patient, minute) for patient in others))
            while len(said_of(bedside, others)) < len(others):
                await asyncio.sleep(0.005)
            done = len(said_of(bedside, heavy))
            assert done <= 2 * 2 * BATCH, "more than two slices of each heavy patient passed meanwhile"
        await bedside.dispatcher.tick(asyncio.get_running_loop().time())
    assert len(bedside.dispatcher._waiting) > 1000
    await bedside.dispatcher.surrender(patience=0.0)


def said_of(bedside: Bedside, patients: Sequence[str]) -> list[str]:
    """Whose estimates were sent, each as often as there were any."""
    said = (decode_output(value).patient_id for value in bedside.port.sent(ESTIMATES))
    return [patient for patient in said if patient in patients]


def folds_for_long(bedside: Bedside, patient: str, steps: list[int]) -> None:
    """Let the patient's twin take a thousand steps of 10 ms for whatever it observes."""
    state = bedside.queue(patient).state
    assert state is not None
    twin: Any = state.twin
    observing = twin.observing

    def slowly(events: Sequence[InputEvent], *, level: bool = True) -> Steps[Any]:
        for step in range(1_000):
            time.sleep(0.01)
            steps.append(step)
            yield
        return (yield from observing(events, level=level))

    twin.observing = slowly


async def test_a_fold_of_years_is_done_in_slices_and_ends_when_the_partition_goes(bedside: Bedside) -> None:
    await bedside.receive(enrolment("YEARS"), lab("YEARS", 1), enrolment("A"), lab("A", 1))
    await bedside.settled_down()
    steps: list[int] = []
    folds_for_long(bedside, "YEARS", steps)
    bedside.dispatcher._threads._heavy = {"YEARS", "A"}
    await bedside.receive(lab("YEARS", 2), lab("A", 2))
    async with asyncio.timeout(60):
        while bedside.queue("A").worker is not None:
            await asyncio.sleep(0.01)
    assert 0 < len(steps) < 1_000, "the other one waited for a slice, not for the fold"
    worker = bedside.queue("YEARS").worker
    bedside.dispatcher.abandon()
    assert worker is not None
    await asyncio.wait_for(worker, 60)
    assert len(steps) < 1_000
    assert not bedside.failures


async def test_a_barrier_that_waits_for_a_slice_holds_up_nothing_else_that_is_due(
    bedside: Bedside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.worker.dispatcher.BARRIER_PATIENCE", 0.05)
    await bedside.receive(enrolment("A"))
    await bedside.settled_down()
    slow(bedside, "A", 0.5)
    await bedside.receive(lab("A", 1))
    await asyncio.sleep(0.1)
    later = asyncio.get_running_loop().time() + 2000.0
    async with asyncio.timeout(0.3):
        await bedside.dispatcher.tick(later)
        await bedside.dispatcher.tick(later)
    assert "settle" not in bedside.port.steps()
    await bedside.settled_down()
    await bedside.dispatcher.tick(later)
    assert "settle" in bedside.port.steps()


async def test_late_results_that_come_together_are_told_together_when_nothing_more_is_to_be_read(
    bedside: Bedside, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bedside.receive(enrolment("A"), lab("A", 60), *(lab("A", minute) for minute in range(20)))
    await bedside.settled_down()
    assert len(said_of(bedside, ["A"])) == 3, "of enrolment, result, and the first that was late"
    await bedside.dispatcher.tick(0.0)
    await bedside.settled_down()
    await bedside.dispatcher.barrier(0)
    assert len(decode_row(bedside.port.stored[b"A"]).late) == 19
    assert bedside.port.marks()[("clinical.labs", 0)] == 2, "what waits is not done"

    other = Bedside(bedside.port)
    await other.open()
    assert other.dispatcher._patients.bursts == {"A"}, "a worker that takes over goes on waiting"
    await other.dispatcher.tick(0.0)
    assert other.queue("A").worker is None, "more may follow that was not read yet"
    other.dispatcher.close()
    monkeypatch.setattr("streams.worker.records.bursts.IDLE_SECONDS", 0.0)
    await bedside.dispatcher.tick(0.0)
    await bedside.settled_down()
    assert len(said_of(bedside, ["A"])) == 22
    assert bedside.dispatcher._patients.bursts == set()
    await bedside.dispatcher.barrier(0)
    assert bedside.port.marks()[("clinical.labs", 0)] == 21
    assert decode_row(bedside.port.stored[b"A"]).late == ()


async def test_an_undecodable_record_is_rejected_and_settled(bedside: Bedside) -> None:
    await bedside.dispatcher.receive(KafkaRecord("iomt.pump", 0, 0, NOW, b"A", b"{"))
    await bedside.dispatcher.barrier(0)
    assert len(bedside.port.sent(REJECTED)) == 1
    assert bedside.port.marks() == {("iomt.pump", 0): 1}
    assert bedside.port.stored == {}


async def test_a_record_in_a_foreign_partition_is_rejected(bedside: Bedside) -> None:
    bedside.dispatcher._home = lambda _: 3
    await bedside.receive(enrolment("A"))
    (letter,) = bedside.port.sent(REJECTED)
    assert b"wrong_partition" in letter


async def test_what_a_twin_withholds_is_said_as_soon_as_the_topics_are_level(
    bedside: Bedside, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = FakeTwin.observe

    def reticent(twin: FakeTwin, events: Sequence[InputEvent], *, level: bool = True) -> FakeUpdate:
        update = plain(twin, events)
        alerts = tuple(output for output in update.outputs if isinstance(output, Alert))
        twin.owed = (*getattr(twin, "owed", ()), *alerts)  # type: ignore[attr-defined]
        said = tuple(output for output in update.outputs if not isinstance(output, Alert))
        if level:
            said, twin.owed = (*said, *twin.owed), ()  # type: ignore[attr-defined]
        return FakeUpdate(said, update.rejected, bool(twin.owed))  # type: ignore[attr-defined]

    monkeypatch.setattr(FakeTwin, "observe", reticent)
    await bedside.receive(enrolment("A"), pump("A", 0), lab("A", 60, value=0.1))
    await bedside.settled_down()
    await bedside.dispatcher.tick(0.0)
    assert bedside.port.sent(ALERTS) == []
    await bedside.dispatcher.barrier(0)
    assert decode_row(bedside.port.stored[b"A"]).withheld

    other = Bedside(bedside.port)
    await other.open()
    assert other.dispatcher._patients.withheld == {"A"}, "a worker that takes over goes on waiting"
    other.dispatcher.close()
    monkeypatch.setattr("streams.worker.event_time_merge.IDLE_SECONDS", 0.0)
    await bedside.dispatcher.tick(0.0)
    assert len(bedside.port.sent(ALERTS)) == 1
    assert not decode_row(bedside.port.stored[b"A"]).withheld


async def test_progress_says_how_far_each_partition_is(bedside: Bedside) -> None:
    await bedside.receive(enrolment("A"), lab("A", 1))
    await bedside.settled_down()
    (progress,) = bedside.dispatcher.progress(lambda place: 4 if place[0] == "clinical.labs" else None)
    assert (progress.partition, progress.lag, progress.unsettled, progress.sealed) == (0, 3, True, ())
    assert progress.behind == pytest.approx(1.0), "the clock of the ward is a second after its records"
    await bedside.dispatcher.barrier(0)
    (progress,) = bedside.dispatcher.progress(lambda _: 1)
    assert (progress.lag, progress.behind, progress.unsettled) == (1, pytest.approx(1.0), False)
    bedside.port.stored[b"B"] = b"no row"
    await bedside.receive(lab("B", 1))
    await bedside.settled_down()
    assert bedside.dispatcher.progress(lambda _: 0)[0].sealed == (("B", "bad_state_row"),)


async def test_a_row_too_large_seals_its_patient_alone_also_after_a_restart(
    bedside: Bedside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.worker.rows.patient_state.LARGEST_ROW", 8_000)
    many = [lab("A", minute) for minute in range(60)]
    await bedside.receive(enrolment("A"), enrolment("B"), *many, lab("B", 1))
    await bedside.settled_down()
    await bedside.dispatcher.barrier(0)
    assert bedside.failures == []
    assert bedside.port.marks() == {("twin.commands", 0): 2, ("clinical.labs", 0): 61}
    assert bedside.dispatcher.progress(lambda _: 0)[0].sealed == (("A", "row_too_large"),)

    other = Bedside(bedside.port)
    other.offsets = bedside.offsets
    await other.open()
    assert other.dispatcher.progress(lambda _: 0)[0].sealed == (("A", "row_too_large"),), "before any event comes"
    await other.receive(lab("A", 70), lab("B", 70))
    await other.settled_down()
    await other.dispatcher.barrier(0)
    other.dispatcher.close()
    assert [json.loads(letter)["reason"] for letter in bedside.port.sent(REJECTED)] == ["row_too_large"]
    assert len(json.loads(decode_row(bedside.port.stored[b"B"]).twin)["history"]) == 3
