"""All that an input may have wrong, in one stream to twins of the library: a reason for each, no neighbour harmed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.feeds.ward.ward import WARD_MODELS, SimulatedWard, named_models
from connectors.kafka.topics import COMMANDS, LABS, ORDERS, PUMP, VITALS, topic_of
from streams.worker.processor import WAITING_ROOM
from tests.streams.worker.stage import Stage, WorkerProcess, enrolment
from twin.alerts.rules import settings
from twin.events import (
    DoseGiven,
    Enrolment,
    InputEvent,
    LabResult,
    OutputEvent,
    PumpDelivery,
    Quantity,
    Rejected,
    VitalSample,
    encode,
    event_id,
    from_millis,
    to_millis,
)

START = datetime(2026, 1, 5, tzinfo=UTC)
MIB = 1024 * 1024


def dispatcher() -> list[InputEvent]:
    """A day of one patient of each model, in the order of event time."""
    events = [
        arrival.event for arrival in SimulatedWard(named_models(WARD_MODELS), 2, START, seed=3, days=1).arrivals()
    ]
    rare = [event for event in events if not isinstance(event, VitalSample) or event.time.minute % 15 == 0]
    return sorted(rare, key=lambda event: event.time)


@dataclass(frozen=True)
class Bad:
    """A record that cannot be used: where it is sent, under which key, and the reason that must come back."""

    name: str
    topic: str
    key: str
    raw: bytes
    reason: str
    says: str


def bad_records(events: list[InputEvent]) -> list[tuple[int, Bad]]:
    """Of each kind one, with its place in the stream: what has a time comes when it is due, as its neighbours do."""
    first = next(event for event in events if isinstance(event, Enrolment))
    count = next(event for event in events if isinstance(event, LabResult) and event.patient_id == first.patient_id)
    pump = next(event for event in events if isinstance(event, PumpDelivery) and event.phase == "sample")
    patient, places = first.patient_id, [len(events) * part // 12 for part in range(1, 12)]
    now = iter([events[place - 1].time for place in places])
    strong, torrent = Quantity(value=10.0, unit="mg/mL"), Quantity(value=5000.0, unit="mL/h")

    def again(event: InputEvent, **changes: object) -> bytes:
        return encode(event.model_copy(update={"event_id": event_id("bad", *changes), "time": next(now), **changes}))

    def dose(amount: float) -> DoseGiven:
        return DoseGiven(
            event_id=f"dose {amount}", patient_id=patient, time=next(now), source="test", drug="docetaxel",
            route="iv", amount=Quantity(value=amount, unit="mg"),
        )  # fmt: skip

    unit = Bad("unit", LABS, patient, again(count, value=torrent), "unknown_unit", "mL/h")
    negative = Bad("negative", ORDERS, patient, encode(dose(-20.0)), "negative_amount", "-20")
    nan = encode(dose(77.0)).replace(b"77.0", b"NaN")
    rate = again(pump, rate=torrent, concentration=strong)
    slip = count.model_copy(update={"value": Quantity(value=0.1, unit="10*9/L")})
    next(now)
    tomorrow = datetime.now(UTC) + timedelta(days=3)
    future = again(count, time=tomorrow)
    enrol = encode(enrolment("nobody", "unheard_of", next(now)))
    bad = [
        unit,
        negative,
        Bad("NaN", ORDERS, patient, nan, "invalid_event", "amount.value"),
        Bad("rate", PUMP, pump.patient_id, rate, "rate_out_of_range", "5000"),
        Bad("same id, other content", LABS, patient, encode(slip), "id_conflict", count.event_id),
        Bad("future", LABS, patient, future, "far_future", "clock"),
        Bad("model", COMMANDS, "nobody", enrol, "unknown_model", "unheard_of"),
        Bad("JSON", VITALS, patient, b'{"kind": "vital_sample", "value"', "malformed_json", "JSON"),
        Bad("depth", VITALS, patient, b'{"a":' * 5000 + b"1" + b"}" * 5000, "malformed_json", "recursion"),
        Bad("size", ORDERS, patient, b'{"kind": "dose_given", "drug": "' + b"x" * 2 * MIB + b'"}', "too_large", "1"),
        Bad("patient", LABS, "stranger", encode(stranger(WAITING_ROOM)), "unknown_patient", "stranger"),
    ]
    return list(zip(places, bad, strict=True))


def stranger(number: int) -> LabResult:
    """A count of somebody whom nobody enrols."""
    return LabResult(
        event_id=f"stranger-{number}", patient_id="stranger", time=from_millis(to_millis(START) + number),
        source="test", analyte="neutrophils", value=Quantity(value=3.0, unit="10*9/L"),
    )  # fmt: skip


@pytest.fixture
def stages(kafka: str) -> Iterator[tuple[Stage, Stage]]:
    clean, foul = Stage(kafka), Stage(kafka)
    yield clean, foul
    clean.close()
    foul.close()


def test_each_bad_record_gets_its_reason_and_harms_nothing_beside_it(
    stages: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_PARTICLES", "100")
    clean, foul = stages
    events = dispatcher()
    records = bad_records(events)
    clean.play(events)
    foul.play(stranger(number) for number in range(WAITING_ROOM))
    begin = 0
    for place, record in records:
        foul.play(events[begin:place])
        foul.send(record.topic, record.key, record.raw)
        again = events[place - 1]
        foul.send(topic_of(again), again.patient_id, encode(again))  # a duplicate: no dead letter
        begin = place
    foul.play(events[begin:])
    twins = "streams.worker.twin_factory:LibraryTwins"
    with (
        WorkerProcess(clean, tmp_path / "clean.log", twins=twins) as one,
        WorkerProcess(foul, tmp_path / "foul.log", twins=twins) as other,
    ):
        for stage, worker in ((clean, one), (foul, other)):
            stage.wait_until_committed(90)
            assert worker.stop() == 0

    told = (tmp_path / "foul.log").read_text()
    assert "events rejected" in told
    assert not [name for name in {"stranger", "nobody", *(event.patient_id for event in events)} if name in told]
    assert clean.rejected() == []
    letters = {base64.b64decode(letter.original_base64 or ""): letter for letter in foul.rejected()}
    assert len(letters) == len(records)
    for _, record in records:
        letter = letters[record.raw]
        assert (record.name, letter.reason) == (record.name, record.reason)
        assert record.says in letter.detail
        assert stands_where(foul, letter) == record.raw
    assert newest(foul) == newest(clean) != {}
    assert alerts(foul) == alerts(clean)


def stands_where(stage: Stage, letter: Rejected) -> bytes:
    """The record that a dead letter points at."""
    assert letter.topic is not None
    (found,) = (
        record.value
        for record in stage.records(letter.topic)
        if (record.partition, record.offset) == (letter.partition, letter.offset)
    )
    return bytes(found)


def newest(stage: Stage) -> dict[str, OutputEvent]:
    """Estimates, forecasts and predictions by id, each as last said."""
    return {output.event_id: output for output in stage.estimates()}


def alerts(stage: Stage) -> dict[str, tuple[str, str, datetime]]:
    """Where each alert stands in the end, but those of a silence: they depend on when the topics were level."""
    told = sorted(stage.alerts(), key=lambda alert: alert.revision)
    return {
        alert.alert_id: (alert.rule, alert.state, alert.time) for alert in told if not settings()[alert.rule].of_silence
    }
