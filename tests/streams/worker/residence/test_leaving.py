"""Twins leave memory and come back without a trace: the same rows and outputs as if all had stayed."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import pytest

from streams.bench.patients import enrolment as admission
from streams.bench.patients import newcomer
from streams.worker.twin_factory import LibraryTwins, TwinFactory
from tests.streams.worker.stage import enrolment, lab, pump
from tests.streams.worker.test_dispatcher import Bedside, FakePort
from twin import load_model
from twin.events import InputEvent

LATER = 1e6
"""Seconds after which everybody has been silent for long."""


@pytest.fixture
async def bedside() -> AsyncIterator[Bedside]:
    bed = Bedside(FakePort(), idle_seconds=60.0)
    await bed.open()
    yield bed
    bed.dispatcher.close()


def resident(bed: Bedside) -> int:
    value = bed.metrics.registry.get_sample_value("dosetwin_resident_twins")
    assert value is not None
    return int(value)


async def look(bed: Bedside, ahead: float = LATER) -> None:
    """What the worker does once a while, with the clock so far ahead, until room is made."""
    bed.dispatcher._leaving._next_look = 0.0
    bed.dispatcher._leaving.tick(time.monotonic() + ahead)
    while (task := bed.dispatcher._leaving._making_room) is not None and not task.done():
        await asyncio.sleep(0)


async def test_a_twin_that_heard_nothing_for_a_while_leaves_memory_and_comes_back(bedside: Bedside) -> None:
    await bedside.receive(enrolment("A"), lab("A", 1))
    await bedside.settled_down()
    await look(bedside)
    assert resident(bedside) == 1, "its row is not written yet"
    await bedside.dispatcher.barrier(0)
    await look(bedside, ahead=1.0)
    assert resident(bedside) == 1, "it was heard a moment ago"
    await look(bedside)
    assert resident(bedside) == 0
    assert bedside.queue("A").state is None
    assert bedside.metrics.registry.get_sample_value("dosetwin_patients") == 1
    await bedside.receive(pump("A", 2))
    await bedside.settled_down()
    assert resident(bedside) == 1
    await bedside.dispatcher.barrier(0)
    assert bedside.port.marks() == {("twin.commands", 0): 1, ("clinical.labs", 0): 1, ("iomt.pump", 0): 1}


@pytest.mark.parametrize("events", [(lab("A", 5), lab("A", 4), lab("A", 3)), (lab("A", 1, unit="furlong"),)])
async def test_who_has_something_to_come_stays(bedside: Bedside, events: Sequence[InputEvent]) -> None:
    """Late arrivals that wait for one another, and a dead letter that the broker does not have yet."""
    await bedside.receive(enrolment("A"))
    await bedside.settled_down()
    bedside.port.durable.clear()
    await bedside.receive(*events)
    await bedside.settled_down()
    await look(bedside)
    assert resident(bedside) == 1
    bedside.port.durable.set()


async def test_who_is_sealed_stays_and_is_named() -> None:
    port = FakePort()
    port.stored[b"A"] = b"no row"
    bed = Bedside(port, idle_seconds=0.0, most_resident=1)
    await bed.open()
    await bed.receive(enrolment("B"), lab("B", 1))
    await bed.settled_down()
    await bed.dispatcher.barrier(0)
    await look(bed)
    (progress,) = bed.dispatcher.progress(lambda _: 0)
    assert progress.sealed == (("A", "bad_state_row"),)
    assert resident(bed) == 1
    bed.dispatcher.close()


async def test_beyond_the_bound_those_leave_who_heard_nothing_for_longest_rows_first() -> None:
    bed = Bedside(FakePort(), most_resident=2)
    await bed.open()
    for patient in "ABCDE":
        await bed.receive(enrolment(patient), lab(patient, 1))
        await bed.settled_down()
    assert resident(bed) == 5
    await look(bed, ahead=0.0)
    assert [queue.patient_id for queue in bed.dispatcher._patients if queue.state is not None] == ["D", "E"]
    assert sorted(bed.port.stored) == [b"A", b"B", b"C"]
    bed.dispatcher.close()


async def test_who_fails_to_become_permanent_stays_and_the_next_look_says_so() -> None:
    bed = Bedside(FakePort(), most_resident=1)
    await bed.open()
    for patient in "AB":
        await bed.receive(enrolment(patient))
    await bed.settled_down()
    bed.port.fails = True
    await look(bed, ahead=0.0)
    assert resident(bed) == 2
    with pytest.raises(ConnectionError):
        await look(bed)
    bed.dispatcher.close()


async def played(
    events: Sequence[InputEvent], twins: TwinFactory | None, most: int, kill_after: int | None = None
) -> tuple[dict[bytes, bytes], dict[tuple[str, bytes | None], list[bytes]]]:
    """Final rows, and what was sent to each topic of each patient, of events that came one after the other."""
    port = FakePort()
    bed = Bedside(port, twins, most_resident=most)
    bed.offsets["clinical.orders"] = 0
    await bed.open()
    for number, event in enumerate(events, start=1):
        await bed.receive(event)
        await bed.settled_down()
        await look(bed, ahead=0.0)
        assert resident(bed) <= most
        if number % 7 == 0:
            await bed.dispatcher.barrier(0)
        if number == kill_after:
            bed.dispatcher.abandon()
            told = dict(bed.offsets)
            bed = Bedside(port, twins, most_resident=most)
            bed.offsets |= {topic: offset for (topic, _), offset in port.marks().items()}
            begun = dict(bed.offsets)
            await bed.open()
            seen: dict[str, int] = defaultdict(int)
            for earlier in events[:number]:  # Kafka brings again what was not committed
                topic = earlier.sent_on.name
                if begun[topic] <= seen[topic] < told[topic]:
                    await bed.receive(earlier)
                seen[topic] += 1
            await bed.settled_down()
    await bed.dispatcher.barrier(0)
    assert bed.failures == []
    sent: dict[tuple[str, bytes | None], list[bytes]] = defaultdict(list)
    for what, detail in port.journal:
        if what.startswith("send ") and what != "send row":
            sent[what, detail[0]].append(detail[1])
    bed.dispatcher.close()
    return port.stored, dict(sent)


def ward(seed: int) -> list[InputEvent]:
    """Nine patients' events, each patient's in order but for a late result now and then."""
    draw = random.Random(seed)
    lines = []
    for patient in "ABCDEFGHI":
        told = [pump(patient, minute) if minute % 3 else lab(patient, minute, 0.1 + minute % 5) for minute in range(9)]
        late = draw.randrange(1, 6)
        told.insert(late + 3, told.pop(late))
        lines.append([enrolment(patient), *told])
    mixed = []
    while lines:
        line = draw.choice(lines)
        mixed.append(line.pop(0))
        lines = [line for line in lines if line]
    return mixed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_few_in_memory_end_in_the_rows_and_say_what_all_do(seed: int) -> None:
    events = ward(seed)
    rows, sent = await played(events, None, most=100)
    few_rows, few_sent = await played(events, None, most=1)
    assert few_rows == rows
    assert few_sent == sent
    killed_rows, killed_sent = await played(events, None, most=2, kill_after=40)
    assert killed_rows == rows
    assert {key: set(values) for key, values in killed_sent.items()} == {key: set(sent[key]) for key in sent}


async def test_real_twins_that_come_and_go_end_in_the_same_bytes() -> None:
    model, twins = load_model("docetaxel_ozawa2007"), LibraryTwins(particles=64)
    lines = [
        (admission(patient, model), *newcomer(patient, baseline)) for patient, baseline in (("A", 3.0), ("B", 4.5))
    ]
    events = [event for together in zip(*lines, strict=True) for event in together]
    rows, sent = await played(events, twins, most=100)
    assert len(rows) == 2
    assert any("estimates" in what for what, _ in sent)
    assert await played(events, twins, most=1) == (rows, sent)
