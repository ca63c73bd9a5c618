"""One patient's record is changed at its start, again and again; the others must not notice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from connectors.feeds.ward.ward import SimulatedWard, named_models
from tests.faults.answers import answers, at_most
from tests.faults.ground import RATE, START, Ground
from tests.faults.kinds.fault import fault
from twin.events import Enrolment, InputEvent, LabResult, Quantity, event_id, to_millis

MODELS = named_models(["docetaxel_ozawa2007"])
OTHERS = 6
MOST_MS = 500.0
"""What may lie between the arrival of another patient's event and what follows from it, in 99 of 100."""

LONG = 1000
"""From so many corrections on the record is one of years and the time counts; else the order does, of half a month."""

FLOOD = "zz-"
"""What the id of a correction of the flood begins with."""


def corrected_at_its_start(times: int, seed: int) -> list[InputEvent]:
    """A record and the beginning of the others; ``times`` events of the others; as many, with a correction after each.

    What the others say comes in order, so that every event is answered at once.
    """
    years = 2 if times >= LONG else 1
    days = 366.0 if times >= LONG else 15.0
    record = _record(seed, days, years)
    results = [event for event in record if isinstance(event, LabResult) and event.replaces is None][:5]
    others = in_order(seed + 1, 2 * times + 40 * OTHERS)
    flood = (event for number in range(times) for event in (next(others), _correction(results, number)))
    return [*record, *islice(others, times + 40 * OTHERS), *flood]


@fault(short=150, story=corrected_at_its_start)
def record_corrected(ground: Ground, _: random.Random, times: int) -> None:
    """One patient's results of years ago are corrected in a flood; p99 of all others stays under 500 ms."""
    events = ground.expected.events
    flood = next(number for number, event in enumerate(events) if event.event_id.startswith(FLOOD)) - 1
    heavy = events[flood + 1].patient_id
    ground.feed((flood - times) / len(events), rate=None)
    ground.fed()  # before the worker comes: what is sent as fast as it goes reaches the broker in any order of topics
    ground.start("one")
    ground.stage.wait_until_committed(3600)
    ground.feed(times / len(events), rate=RATE / 2)
    ground.fed()
    ground.feed(1.0)
    ground.fed()
    ground.stage.wait_until_committed(3600)
    began = min(record.timestamp for record in ground.stage.inputs() if FLOOD.encode() in record.value)
    others = answers(ground.stage, {event.patient_id for event in events} - {heavy})
    calm = [spent for arrived, spent in others if began - 2000 * times / RATE <= arrived < began]
    during = [spent for arrived, spent in others if arrived >= began]
    said = [record.timestamp for record in ground.stage.outputs() if record.key == heavy.encode()]
    fold = min(timestamp for timestamp in said if timestamp >= began) - began
    ground.measured |= {
        "answers": len(during), "fold_ms": fold, "others_p99_ms": at_most(during, 0.99),
        "others_p50_ms": at_most(during, 0.5), "calm_p99_ms": at_most(calm, 0.99),
    }  # fmt: skip
    assert len(during) >= times // 20, f"only {len(during)} answers to the others"
    if times >= LONG:
        assert at_most(during, 0.99) <= MOST_MS, f"the others wait: {ground.measured}"
    assert at_most(during, 0.9) <= max(fold / 4, MOST_MS / 2), f"the others wait for one patient: {ground.measured}"


def _record(seed: int, days: float, years: int) -> list[InputEvent]:
    """Stays of one patient, one after the other until the others come."""
    told: list[InputEvent] = []
    for year in range(years):
        start = START + timedelta(days=(year - years) * days)
        ward = SimulatedWard(MODELS, 1, start, seed=seed, days=days, vitals_every=3600, pump_every=300)
        for event in (arrival.event for arrival in ward.arrivals()):
            if not year:
                told.append(event)
            elif not isinstance(event, Enrolment):
                again = {"patient_id": told[0].patient_id, "event_id": f"year-{year}-{event.event_id}"}
                told.append(event.model_copy(update=again))
    return told


def _correction(results: list[LabResult], number: int) -> LabResult:
    result = results[number % len(results)]
    value = result.value.model_copy(update={"value": result.value.value * (0.8 + 0.01 * (number % 37))})
    return result.model_copy(update={
        "event_id": f"{FLOOD}{number:08d}", "replaces": result.event_id, "status": "corrected", "value": value,
    })  # fmt: skip


def in_order(seed: int, count: int) -> Iterator[InputEvent]:
    """Over ``count`` events of the other patients: what the ward says in order, and every twentieth a result."""
    days = 2.0 + count / OTHERS / 300
    ward = SimulatedWard(MODELS, OTHERS, START, seed=seed, days=days, vitals_every=600, pump_every=300)
    newest: dict[str, datetime] = {}
    said = Counter[str]()
    for arrival in ward.arrivals():
        event = arrival.event
        if isinstance(event, LabResult) or event.time < newest.get(event.patient_id, START):
            continue
        newest[event.patient_id] = event.time
        said[event.patient_id] += 1
        yield event
        if said[event.patient_id] % 20 == 0:
            yield LabResult(
                event_id=event_id(event.patient_id, "count", to_millis(event.time)), patient_id=event.patient_id,
                time=event.time + timedelta(milliseconds=1), source="test", analyte="neutrophils",
                value=Quantity(value=2.0 + 0.1 * (said[event.patient_id] % 7), unit="10*9/L"),
            )  # fmt: skip
            newest[event.patient_id] += timedelta(milliseconds=1)
