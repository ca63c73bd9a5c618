"""Which events decided, and how fresh each source is: by the events up to a moment, in whatever order they came."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twin.clock import HOUR_MS
from twin.events import (
    MOST_DECIDING,
    DeviceAssociation,
    DoseGiven,
    Freshness,
    InputEvent,
    LabResult,
    PlannedDose,
    PumpDelivery,
    PumpTotals,
    Quantity,
    RegimenPlanned,
    Subject,
    VitalSample,
    from_millis,
)
from twin.record.history import History
from twin.record.origins import Matter, Origins, origins, together, unknown

COUNT, DRUG, DEVICE = Subject("output", "neutrophils"), Subject("drug", "fluorouracil"), Subject("device", "pump-4")


def at(hours: float) -> datetime:
    return from_millis(round(hours * HOUR_MS))


def head(name: str, hours: float) -> dict[str, Any]:
    return {"event_id": name, "patient_id": "P-1", "time": at(hours), "source": "ward"}


def count(hours: float, name: str = "", **more: Any) -> LabResult:
    value = Quantity(value=1.0, unit="10*9/L")
    return LabResult(**head(name or f"count-{hours:g}", hours), analyte="neutrophils", value=value, **more)


def dose(hours: float) -> DoseGiven:
    amount = Quantity(value=50.0, unit="mg")
    return DoseGiven(**head(f"dose-{hours:g}", hours), drug="fluorouracil", route="iv", amount=amount)


def plan(hours: float) -> RegimenPlanned:
    doses = (PlannedDose(time=at(hours), amount=Quantity(value=50.0, unit="mg")),)
    return RegimenPlanned(**head(f"plan-{hours:g}", hours), drug="fluorouracil", route="iv", doses=doses)


def pump(hours: float, rate: float, phase: str = "sample") -> PumpDelivery:
    said: dict[str, Any] = {
        "device_id": "pump-4",
        "drug": "fluorouracil",
        "rate": Quantity(value=rate, unit="mg/h"),
        "phase": phase,
    }
    said["delivery_status"] = "delivering"
    return PumpDelivery(**head(f"{phase}-{hours:g}", hours), **said)


def pulse(hours: float) -> VitalSample:
    value = Quantity(value=70.0, unit="/min")
    return VitalSample(**head(f"pulse-{hours:g}", hours), device_id="wrist-9", channel="heart_rate", value=value)


def record(*events: InputEvent) -> History:
    history = History()
    for event in events:
        rate = event.rate.value if isinstance(event, PumpDelivery) and event.phase == "sample" else None
        history.insert(event, rate)
    return history


def asked(history: History, hours: float, about: Subject = COUNT, measured: float | None = None) -> Origins:
    millis = None if measured is None else round(measured * HOUR_MS)
    return origins(history, Matter(round(hours * HOUR_MS), about, about == COUNT, millis))


def ids(found: Origins) -> list[str | None]:
    return [one.event_id for one in found.decided_by]


def test_what_came_at_that_very_moment_decided_it_and_else_what_was_measured_and_given_last() -> None:
    history = record(plan(0), count(1), dose(2), count(5), dose(7), count(9))
    assert ids(asked(history, 5)) == ["count-5"]
    assert ids(asked(history, 8)) == ["plan-0", "count-5", "dose-7"]
    assert ids(asked(history, -0.5)) == []
    found = asked(history, 5).decided_by[0]
    assert (found.kind, found.of, found.time) == ("lab_result", "neutrophils", at(5))


def test_what_was_corrected_or_retracted_decides_nothing() -> None:
    history = record(count(1), count(5), count(5, "gone", replaces="count-5", status="retracted"))
    assert ids(asked(history, 6)) == ["count-1"]


def test_of_many_events_of_one_moment_a_few_are_named() -> None:
    history = record(*(count(5, f"count-{i}") for i in range(9)))
    assert len(asked(history, 5).decided_by) == MOST_DECIDING


def test_a_delivery_is_decided_by_its_plan_the_last_word_and_since_when_the_rate_runs() -> None:
    history = record(plan(0), count(1), pump(1, 10.0, "start"), pump(2, 10.0), pump(3, 90.0), pump(4, 90.0))
    found = asked(history, 4, DRUG)
    assert ids(found) == ["plan-0", "start-1", None], "of what a pump repeats no ids are kept"
    assert (found.decided_by[-1].of, found.decided_by[-1].time) == ("pump-4", at(3))
    assert ids(asked(record(plan(0), pump(1, 10.0, "start")), 4, DRUG)) == ["plan-0", "start-1"]


def test_a_silence_is_decided_by_who_bound_the_device() -> None:
    bound = DeviceAssociation(**head("bound", 0), device_id="pump-4", associated=True)
    assert ids(asked(record(bound, count(1)), 4, DEVICE)) == ["bound"]


def test_readings_that_a_belief_rests_on_last_are_named_without_an_id() -> None:
    history = record(count(1))
    history.insert(pulse(3.1), windows={"heart_rate": HOUR_MS})
    found = asked(history, 4, measured=3.5)
    assert [(one.kind, one.of, one.time) for one in found.decided_by][-1] == ("vital_sample", "heart_rate", at(3.5))
    assert ids(asked(history, 4, measured=1)) == ["count-1"]


def test_freshness_is_of_each_source_exact_for_a_laboratory_and_in_steps_for_devices() -> None:
    totals = PumpTotals(**head("totals", 6), device_id="pump-5", drug="x", delivered=Quantity(value=1.0, unit="mg"))
    history = record(count(1), pulse(2), totals, pulse(11))
    assert asked(history, 10).freshness == (
        Freshness("laboratory", 9.0),
        Freshness("pump", 4.0),
        Freshness("wearable", 8.0),
    )
    assert asked(history, 0.5).freshness == ()


def test_records_of_rival_models_are_taken_together() -> None:
    one, other = asked(record(count(1), pulse(2)), 3), asked(record(count(1), count(2)), 3)
    both = together([one, other])
    assert ids(both) == ["count-1", "count-2"]
    assert both.freshness == (Freshness("laboratory", 1.0), Freshness("wearable", 1.0))
    assert unknown(Matter(0, COUNT, True, None)) == together([])


@given(st.permutations([plan(0), count(1), pump(1, 9.0, "start"), pulse(1.1), pump(2, 9.0), pump(3, 8.0), pulse(6)]))
def test_any_order_of_arrival_decides_alike(events: list[InputEvent]) -> None:
    said = [one for one in events if one.time <= at(4)]
    for about in (COUNT, DRUG):
        assert asked(record(*events), 4, about) == asked(record(*said), 4, about), "what comes later decides nothing"
        assert asked(record(*events), 4, about) == asked(record(*sorted(events, key=lambda e: e.time)), 4, about)
