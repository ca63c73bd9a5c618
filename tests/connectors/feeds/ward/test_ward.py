"""The simulated ward: reproducible, true to its truth file, and speaking only valid events."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.feeds.stream import TimedEvent
from connectors.feeds.ward.bedside import in_arrival_order
from connectors.feeds.ward.drawing import ROTA
from connectors.feeds.ward.ward import (
    WARD_MODELS,
    SimulatedWard,
    WardError,
    default_start,
    expected_events,
    named_models,
)
from twin.clock import HOUR_MS
from twin.events import (
    Clock,
    DeviceAssociation,
    DoseGiven,
    DrugLevel,
    Enrolment,
    InputEvent,
    LabResult,
    PumpDelivery,
    PumpTotals,
    RegimenPlanned,
    VitalSample,
    decode,
    encode,
    to_millis,
)
from twin.modelfile.library import library_ids, load_model
from twin.patient.twin import PatientTwin
from twin.record.admission import admit
from twin.record.history import HOLD_MS
from twin.solver.settling import settles

START = datetime(2026, 1, 1, tzinfo=UTC)
MODELS = named_models(WARD_MODELS)


def ward(size: int = 4, **settings_: Any) -> SimulatedWard:
    given_ = {"days": 4.0, "vitals_every": 1800.0, "pump_every": 600.0, "seed": 3, **settings_}
    return SimulatedWard(MODELS, size, START, **given_)


pytestmark = pytest.mark.slow  # a ward of three weeks is played


@pytest.fixture(scope="module")
def busy() -> SimulatedWard:
    """A round of every scenario for both models."""
    return ward(20, days=22.0)


@pytest.fixture(scope="module")
def arrivals(busy: SimulatedWard) -> tuple[TimedEvent, ...]:
    return tuple(busy.arrivals())


def told(simulated: SimulatedWard) -> bytes:
    return b"\n".join(encode(arrival.event) for arrival in simulated.arrivals())


Spoken = dict[tuple[str, type], list[Any]]


@pytest.fixture(scope="module")
def spoken(arrivals: tuple[TimedEvent, ...]) -> Spoken:
    """Events by patient and kind, in event-time order."""
    found: Spoken = defaultdict(list)
    for arrival in sorted(arrivals, key=lambda arrival: arrival.event.time):
        found[arrival.event.patient_id, type(arrival.event)].append(arrival.event)
    return found


# --- the same again --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 2**62))
def test_the_same_seed_gives_the_same_bytes_and_another_one_another_ward(seed: int) -> None:
    assert told(ward(2, seed=seed, days=1.0)) == told(ward(2, seed=seed, days=1.0))
    assert list(ward(2, seed=seed, days=1.0).truth_lines()) == list(ward(2, seed=seed, days=1.0).truth_lines())
    other = ward(2, seed=seed + 1, days=1.0)
    assert other.patients[0].eta != ward(2, seed=seed, days=1.0).patients[0].eta
    assert other.name != ward(2, seed=seed, days=1.0).name


def test_a_patient_does_not_hang_on_how_many_others_there_are_or_how_often_devices_speak() -> None:
    few, many = ward(2), ward(6, vitals_every=600.0, pump_every=300.0)
    assert few.patients[1].eta == many.patients[1].eta
    assert few.patients[1].covariates == many.patients[1].covariates


# --- the population --------------------------------------------------------------------------------------------------


def test_a_small_ward_sees_every_scenario_with_every_model(busy: SimulatedWard) -> None:
    met = {(patient.model.id, infusion.scenario) for patient in busy.patients for infusion in patient.infusions}
    assert met == {(model.id, scenario) for model in MODELS for scenario in ROTA}


# --- events ----------------------------------------------------------------------------------------------------------


def test_every_event_is_valid_on_the_wire_and_admissible_to_its_model(
    busy: SimulatedWard, arrivals: tuple[TimedEvent, ...]
) -> None:
    models = {patient.id: patient.model for patient in busy.patients}
    for arrival in arrivals:
        assert decode(encode(arrival.event)) == arrival.event
        admit(arrival.event, models[arrival.event.patient_id], settles)
    assert len({arrival.event.event_id for arrival in arrivals}) == len(arrivals)
    assert {event.event.kind for event in arrivals} == {
        "enrolment", "covariate", "device_association", "regimen_planned", "dose_given", "pump_delivery", "pump_totals",
        "drug_level", "lab_result", "vital_sample", "clock",
    }  # fmt: skip


def test_events_come_in_order_of_arrival_and_never_before_they_happened(arrivals: tuple[TimedEvent, ...]) -> None:
    assert all(before.time <= after.time for before, after in pairwise(arrivals))
    assert all(arrival.time >= to_millis(arrival.event.time) for arrival in arrivals)


def test_some_events_are_late_and_out_of_order(arrivals: tuple[TimedEvent, ...]) -> None:
    late = Counter(a.event.kind for a in arrivals if a.time - to_millis(a.event.time) > HOUR_MS)
    assert late["lab_result"] > 50
    assert late["drug_level"] > 10
    assert late["dose_given"] >= 1
    pump = [to_millis(a.event.time) for a in arrivals if isinstance(a.event, PumpDelivery)]
    assert any(later < earlier for earlier, later in pairwise(pump))


def test_the_enrolment_comes_before_all_else_that_is_said_of_a_patient(
    busy: SimulatedWard, arrivals: tuple[TimedEvent, ...]
) -> None:
    first: dict[str, TimedEvent] = {}
    second: dict[str, TimedEvent] = {}
    for arrival in arrivals:
        (second if arrival.event.patient_id in first else first).setdefault(arrival.event.patient_id, arrival)
    for patient in busy.patients:
        assert isinstance(first[patient.id].event, Enrolment)
        assert second[patient.id].time - first[patient.id].time >= 60_000
        assert first[patient.id].event.model == patient.model.id  # type: ignore[union-attr]


def test_the_clock_strikes_every_hour_of_a_stay(arrivals: tuple[TimedEvent, ...]) -> None:
    struck = Counter(arrival.event.patient_id for arrival in arrivals if arrival.event.kind == "clock")
    assert set(struck.values()) == {22 * 24}


def test_nothing_is_said_after_discharge(busy: SimulatedWard, arrivals: tuple[TimedEvent, ...]) -> None:
    discharged = {patient.id: patient.discharged for patient in busy.patients}
    assert all(to_millis(a.event.time) <= discharged[a.event.patient_id] for a in arrivals)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 40)), max_size=40))
def test_arrival_order_loses_nothing(delays: list[tuple[int, int]]) -> None:
    voices = [(time, TimedEvent(time + delay, _clock(n))) for n, (time, delay) in enumerate(sorted(delays))]
    found = list(in_arrival_order(voices))
    assert sorted(found, key=lambda a: a.event.event_id) == sorted(
        (arrival for _, arrival in voices), key=lambda a: a.event.event_id
    )
    assert all(before.time <= after.time for before, after in pairwise(found))


def _clock(number: int) -> InputEvent:
    return Clock(event_id=f"{number:03d}", patient_id="P-1", time=START, source="test")


# --- devices ---------------------------------------------------------------------------------------------------------


def test_what_pumps_say_integrates_to_what_was_delivered(busy: SimulatedWard, spoken: Spoken) -> None:
    for patient in busy.patients:
        said = spoken[patient.id, PumpDelivery]
        rates = [_mg_per_hour(event) for event in said]
        hours = [(later.time - event.time) / timedelta(hours=1) for event, later in pairwise(said)]
        assert max(h for h, rate in zip(hours, rates, strict=False) if rate > 0) * HOUR_MS < HOLD_MS
        total = sum(rate * h for rate, h in zip(rates, hours, strict=False))
        assert total == pytest.approx(sum(i.delivered for i in patient.infusions), rel=1e-6)


def test_counters_read_the_integral_of_the_delivered_rate(busy: SimulatedWard, spoken: Spoken) -> None:
    for patient in busy.patients:
        readings = spoken[patient.id, PumpTotals]
        for reading in readings:
            strength = 1.0 if reading.concentration is None else reading.concentration.value
            delivered = sum(i.delivered_until(to_millis(reading.time)) for i in patient.infusions)
            assert reading.delivered.value * strength == pytest.approx(delivered, rel=1e-9)
        totals = [reading.delivered.value for reading in readings]
        assert totals == sorted(totals)
        assert totals[-1] > 0


def test_a_silent_pump_says_nothing_and_is_heard_again(busy: SimulatedWard, spoken: Spoken) -> None:
    silences = [(p, i.silent) for p in busy.patients for i in p.infusions if i.silent is not None]
    assert len(silences) >= 2
    for patient, silent in silences:
        assert silent is not None
        said = [to_millis(e.time) for kind in (PumpDelivery, PumpTotals) for e in spoken[patient.id, kind]]
        assert not [time for time in said if silent[0] <= time < silent[1]]
        assert [time for time in said if time < silent[0]]
        assert [time for time in said if time >= silent[1]]


def test_devices_are_bound_before_they_speak_and_released_afterwards(busy: SimulatedWard, spoken: Spoken) -> None:
    for patient in busy.patients:
        bindings: dict[str, list[DeviceAssociation]] = defaultdict(list)
        for binding in spoken[patient.id, DeviceAssociation]:
            bindings[binding.device_id].append(binding)
        assert set(bindings) == {f"pump-{patient.id}", f"wearable-{patient.id}"}
        for event in [*spoken[patient.id, PumpDelivery], *spoken[patient.id, VitalSample]]:
            latest = [b for b in bindings[event.device_id] if b.time <= event.time][-1]
            assert latest.associated


def test_vitals_are_plausible_and_have_gaps(busy: SimulatedWard, arrivals: tuple[TimedEvent, ...]) -> None:
    ranges = {"heart_rate": (35, 140), "body_temperature": (35.5, 40.5), "spo2": (85, 100)}
    seen: Counter[str] = Counter()
    for arrival in arrivals:
        if isinstance(arrival.event, VitalSample):
            low, high = ranges[arrival.event.channel]
            assert low <= arrival.event.value.value <= high
            seen[arrival.event.channel] += 1
    assert set(seen) == set(ranges)
    every = 20 * 22 * 48
    assert 0.9 * every < seen["heart_rate"] < every
    assert any(stored for patient in busy.patients for _, _, stored in patient.sensor_gaps)


def test_a_wearable_whose_clock_jumps_says_so_and_once_it_is_right_again(busy: SimulatedWard, spoken: Spoken) -> None:
    struck = [patient for patient in busy.patients if patient.clock_off is not None]
    assert [patient.index for patient in struck] == [4, 14]
    for patient in busy.patients:
        said = [s for s in spoken[patient.id, VitalSample] if s.clock_behind is not None]
        if patient.clock_off is None:
            assert said == []
            continue
        begin, end, behind = patient.clock_off
        assert {s.clock_behind.value for s in said if to_millis(s.time) < end} == {behind}
        assert {s.clock_behind.value for s in said if to_millis(s.time) >= end} == {0}
        assert begin <= min(to_millis(s.time) for s in said)


def test_a_model_with_an_output_for_a_vital_sign_says_what_the_cuff_reads() -> None:
    pressed = SimulatedWard((load_model("ambulatory_bp_sheng2013"),), 1, START, seed=5, days=6.0, vitals_every=3600.0)
    (patient,) = pressed.patients
    read: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for arrival in pressed.arrivals():
        if isinstance(arrival.event, VitalSample) and arrival.event.channel.endswith("bp"):
            read[arrival.event.channel].append((to_millis(arrival.event.time), arrival.event.value.value))
    assert set(read) == {"systolic_bp", "diastolic_bp"}
    for output in patient.model.outputs:
        assert output.vital is not None
        times, values = (np.array(column) for column in zip(*read[output.vital.channel], strict=True))
        assert 0.9 * 6 * 48 < len(times) <= 6 * 48
        apart = values - np.interp(times, patient.grid, patient.truth[output.name])
        assert abs(float(np.median(apart))) < 0.3 * output.error.additive
        assert np.subtract(*np.percentile(apart, [84, 16])) / 2 == pytest.approx(output.error.additive, rel=0.25)
        assert np.abs(apart).max() > 3 * output.error.additive, "now and then an artefact"
    assert abs(len(list(pressed.arrivals())) / expected_events(pressed) - 1) < 0.1


# --- laboratory ------------------------------------------------------------------------------------------------------


def test_results_scatter_about_the_truth(busy: SimulatedWard) -> None:
    ratios: dict[str, list[float]] = defaultdict(list)
    for patient in busy.patients:
        for specimen, result in patient.results:
            truth = patient.truth[specimen.output][np.searchsorted(patient.grid, specimen.time)]
            if truth > 0.01:
                ratios[specimen.output].append(float(np.log(result / truth)))
    assert np.std(ratios["neutrophils"]) == pytest.approx(0.291, rel=0.25)
    assert np.std(ratios["leukocytes"]) == pytest.approx(0.29, rel=0.3)
    assert abs(np.mean(ratios["neutrophils"])) < 0.1


def test_a_correction_replaces_the_result_it_corrects(arrivals: tuple[TimedEvent, ...]) -> None:
    results = {a.event.event_id: a for a in arrivals if isinstance(a.event, LabResult | DrugLevel)}
    corrections = [a for a in results.values() if a.event.status == "corrected"]  # type: ignore[union-attr]
    assert corrections
    for correction in corrections:
        assert isinstance(correction.event, LabResult | DrugLevel)
        slip = results[correction.event.replaces or ""]
        assert isinstance(slip.event, LabResult | DrugLevel)
        assert slip.time < correction.time
        assert (slip.event.time, slip.event.analyte) == (correction.event.time, correction.event.analyte)


def test_a_level_under_the_limit_is_reported_as_such(arrivals: tuple[TimedEvent, ...]) -> None:
    levels = [a.event for a in arrivals if isinstance(a.event, DrugLevel)]
    assert any(level.below_lloq for level in levels)
    for level in levels:
        assert level.lloq is not None
        assert level.value.value >= level.lloq.value
        assert not level.below_lloq or level.value == level.lloq


# --- orders and truth ------------------------------------------------------------------------------------------------


def test_orders_hold_every_planned_dose_and_doses_by_hand_are_given_near_their_time(
    busy: SimulatedWard, spoken: Spoken
) -> None:
    for patient in busy.patients:
        plans = spoken[patient.id, RegimenPlanned]
        assert {plan.drug for plan in plans} == set(patient.orders)
        by_hand = spoken[patient.id, DoseGiven]
        planned = {(plan.drug, dose.time): dose.amount for plan in plans for dose in plan.doses}
        assert sum(len(plan.doses) for plan in plans) == len(by_hand) + len(patient.infusions)
        for dose in by_hand:
            nearest = min((time for drug, time in planned if drug == dose.drug), key=lambda t: abs(t - dose.time))
            assert planned[dose.drug, nearest] == dose.amount
            assert abs(nearest - dose.time) <= timedelta(minutes=3)


def test_the_truth_file_says_who_everybody_is_and_what_happened(busy: SimulatedWard) -> None:
    records = [json.loads(line) for line in busy.truth_lines()]
    assert [record["patient_id"] for record in records] == [patient.id for patient in busy.patients]
    for record, patient in zip(records, busy.patients, strict=True):
        assert record["eta"] == patient.eta
        assert set(record["outputs"]) == {o.name for o in patient.model.outputs} | {
            t.state for t in patient.model.targets
        }
        assert {len(values) for values in record["outputs"].values()} == {22 * 48 + 1}
        struck = [i for i in record["infusions"] if i["scenario"] != "as_ordered"]
        assert all(i["happened"] for i in struck)
        for infusion in record["infusions"]:
            delivered = sum(
                s["rate_mg_per_h"] * (_moment(s["until"]) - _moment(s["from"])) / timedelta(hours=1)
                for s in infusion["segments"]
            )
            assert delivered == pytest.approx(infusion["delivered_mg"], rel=1e-9)


def test_true_exposure_is_dose_over_clearance(busy: SimulatedWard) -> None:
    for patient in busy.patients:
        if patient.model.id != "fluorouracil_yamada2025":
            continue
        first = patient.infusions[0]
        bolus = min(patient.given, key=lambda dose: dose.time)
        at = np.searchsorted(patient.grid, first.end + 48 * HOUR_MS)
        wanted = (first.delivered + bolus.amount) / patient.values["CL"]
        assert patient.truth["AUC"][at] == pytest.approx(wanted, rel=1e-3)


def test_an_oral_model_has_a_ward_without_pumps() -> None:
    simulated = SimulatedWard((load_model("mercaptopurine_jost2020"),), 2, START, days=5.0, vitals_every=3600.0)
    kinds = Counter(arrival.event.kind for arrival in simulated.arrivals())
    assert kinds["dose_given"] == 2 * 5
    assert kinds["pump_delivery"] == 0
    assert kinds["lab_result"] > 0


def test_the_expected_number_of_events_is_about_right(busy: SimulatedWard, arrivals: tuple[TimedEvent, ...]) -> None:
    assert expected_events(busy) == pytest.approx(len(arrivals), rel=0.05)


def test_a_ward_begins_at_a_midnight_so_that_it_ends_by_today_and_a_board_of_a_month_shows_it() -> None:
    now = datetime(2026, 11, 23, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert default_start(now, 21.0) == datetime(2026, 10, 31, tzinfo=UTC)
    assert default_start(now, 0.5) == datetime(2026, 11, 20, tzinfo=UTC)
    for days in (0.1, 1.0, 20.5, 366.0):
        assert now - timedelta(days=3) < default_start(now, days) + timedelta(days=days) + timedelta(hours=6) < now


@pytest.mark.parametrize(
    ("settings_", "reason"),
    [
        ({"size": 0}, "patients 0: must be 1 to 10000"),
        ({"size": 10**6}, "patients 1000000"),
        ({"seed": -1}, "seed -1"),
        ({"days": 0.0}, r"days 0\.0"),
        ({"days": float("nan")}, "days nan"),
        ({"days": 1e9}, "days 1000000000"),
        ({"vitals_every": 0.0}, "vitals_every"),
        ({"pump_every": 0.001}, "pump_every"),
    ],
)
def test_settings_that_make_no_ward_are_refused(settings_: dict[str, Any], reason: str) -> None:
    with pytest.raises(WardError, match=reason):
        ward(**settings_)


def test_a_start_without_an_offset_and_a_ward_without_models_are_refused() -> None:
    with pytest.raises(WardError, match="a time with an offset"):
        SimulatedWard(MODELS, 1, datetime(2026, 1, 1))
    with pytest.raises(WardError, match="models 0: must be at least one"):
        SimulatedWard((), 1, START)


def _mg_per_hour(event: PumpDelivery) -> float:
    return event.rate.value * (1.0 if event.concentration is None else event.concentration.value)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("model_id", library_ids())
def test_every_model_of_the_library_is_played_and_its_twin_takes_all_that_is_said(model_id: str) -> None:
    model = load_model(model_id)
    simulated = SimulatedWard((model,), 1, START, days=1.5, vitals_every=6 * 3600.0, pump_every=3600.0)
    events = [arrival.event for arrival in simulated.arrivals()]
    (patient,) = simulated.patients
    assert patient.given or patient.infusions or not model.regimens
    assert {type(event) for event in events} & {LabResult, DrugLevel}
    update = PatientTwin(patient.id, model, particles=8).observe(events)
    assert update.rejected == ()
    assert json.loads(next(iter(simulated.truth_lines())))["outputs"].keys() >= {o.name for o in model.outputs}
