"""What is said about a simulated patient: devices, laboratory and staff, as events with the moment they arrive.

Each voice is a lazy stream in event time; `in_arrival_order` delays and reorders them as networks, laboratories and
busy people do. Every random number comes from the patient's own generators, so the events are the same however the
streams are interleaved.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any, Literal

import numpy as np

from connectors.feeds.analytes import drug_of
from connectors.feeds.stream import TimedEvent
from connectors.feeds.ward.observed import cuff_readings, observed_channels
from connectors.feeds.ward.patients import LLOQ, PUMP, TOTALS, VITALS, Specimen, WardPatient
from connectors.feeds.ward.pump import Infusion, words
from twin.clock import HOUR_MS, MINUTE_MS
from twin.events import (
    VITAL_RANGES,
    Clock,
    Covariate,
    DeviceAssociation,
    DoseGiven,
    DrugLevel,
    Enrolment,
    LabResult,
    PlannedDose,
    PumpDelivery,
    PumpTotals,
    Quantity,
    RegimenPlanned,
    VitalSample,
    event_id,
    from_millis,
)
from twin.model.spec import OutputSpec
from twin.observation.kinds import kind_of

SOURCE = "ward"
SOURCES = ("ward-chart", "ward-clock", "ward-devices", "ward-laboratory", "ward-pump", "ward-wearable")
"""Who says something about a patient: the sources of the events below."""

TOTALS_MS = HOUR_MS
"""Spacing of a pump's cumulative readings."""
ADMISSION_MS = 5 * MINUTE_MS
"""From enrolment to the first other word: a twin is there before anything is said about its patient."""
LOINC = {"neutrophils": "751-8", "leukocytes": "6690-2"}
Channel = Literal["heart_rate", "body_temperature", "spo2"]
MISREAD = 10.0
"""A result that is corrected later was first reported this many times too high: a slip of the decimal point."""


def bedside(patient: WardPatient, vitals_every: int, pump_every: int) -> Iterator[TimedEvent]:
    """All events about one patient in the order of arrival, which is never before the event time.

    Args:
        vitals_every, pump_every: ms between the samples of the wearable and of the pump.
    """
    voices = heapq.merge(
        _chart(patient),
        _pump(patient, pump_every),
        _results(patient),
        _wearable(patient, vitals_every),
        _hours(patient),
        key=_event_millis,
    )
    return in_arrival_order(voices)


def _event_millis(spoken: tuple[int, TimedEvent]) -> int:
    return spoken[0]


def in_arrival_order(voices: Iterable[tuple[int, TimedEvent]]) -> Iterator[TimedEvent]:
    """Order by arrival what comes in event-time order as (event ms, arrival), holding only what is under way."""
    waiting: list[tuple[int, int, TimedEvent]] = []
    number = count()
    for spoken, arrival in voices:
        while waiting and waiting[0][0] <= spoken:
            yield heapq.heappop(waiting)[2]
        heapq.heappush(waiting, (arrival.time, next(number), arrival))
    while waiting:
        yield heapq.heappop(waiting)[2]


def _envelope(patient: WardPatient, kind: str, subject: str, time: int, source: str) -> dict[str, Any]:
    identity = event_id(SOURCE, patient.seed, patient.id, kind, subject, time)
    return {"event_id": identity, "patient_id": patient.id, "time": from_millis(time), "source": source}


def _says(patient: WardPatient, source: str) -> Callable[[str, str, int], dict[str, Any]]:
    return lambda kind, subject, time: _envelope(patient, kind, subject, time, source)


# --- staff -----------------------------------------------------------------------------------------------------------


def _chart(patient: WardPatient) -> Iterator[tuple[int, TimedEvent]]:
    """Enrolment, covariates and orders at admission, then doses given by hand as they are written down."""
    says = _says(patient, "ward-chart")
    start = patient.admitted
    yield start, TimedEvent(start, Enrolment(**says("enrolment", "", start), model=patient.model.id))
    seen = start + ADMISSION_MS
    for spec in patient.model.reported:
        value = Quantity(value=patient.covariates[spec.name], unit=spec.unit)
        yield seen, TimedEvent(seen, Covariate(**says("covariate", spec.name, seen), name=spec.name, value=value))
    for drug, (route, doses) in patient.orders.items():
        planned = tuple(
            PlannedDose(time=from_millis(d.time), amount=_mg(d.amount), duration=_hours_or_none(d.hours)) for d in doses
        )
        envelope = says("regimen_planned", drug, seen)
        yield seen, TimedEvent(seen, RegimenPlanned(**envelope, drug=drug, route=route, doses=planned))
    for dose in patient.given:
        if dose.time < patient.discharged:
            event = DoseGiven(
                **says("dose_given", dose.drug, dose.time),
                drug=dose.drug,
                route=dose.route,
                amount=_mg(dose.amount),
                duration=_hours_or_none(dose.hours),
            )
            yield dose.time, TimedEvent(dose.recorded, event)


def _hours(patient: WardPatient) -> Iterator[tuple[int, TimedEvent]]:
    says = _says(patient, "ward-clock")
    for time in range(patient.admitted + HOUR_MS, patient.discharged + 1, HOUR_MS):
        yield time, TimedEvent(time, Clock(**says("clock", "", time)))


def _mg(amount: float) -> Quantity:
    return Quantity(value=amount, unit="mg")


def _hours_or_none(hours: float) -> Quantity | None:
    return Quantity(value=hours, unit="h") if hours > 0 else None


# --- pump ------------------------------------------------------------------------------------------------------------


def _pump(patient: WardPatient, every: int) -> Iterator[tuple[int, TimedEvent]]:
    """Every infusion's pump in turn: bound, heard, released. One device serves a patient, and its counter runs on."""
    rng, counter = patient.rng(PUMP), patient.rng(TOTALS)
    before = 0.0
    for infusion in sorted(patient.infusions, key=lambda infusion: infusion.start):
        yield from heapq.merge(
            _association(patient, f"pump-{patient.id}", *infusion.connected, every),
            _deliveries(patient, infusion, every, rng),
            _totals(patient, infusion, before, counter),
            key=_event_millis,
        )
        before += infusion.delivered


def _deliveries(
    patient: WardPatient, infusion: Infusion, every: int, rng: np.random.Generator
) -> Iterator[tuple[int, TimedEvent]]:
    says = _says(patient, "ward-pump")
    strength = _strength(patient, infusion)
    for word in words(infusion, every):
        delay = _network_delay(rng)
        if not infusion.heard(word.time) or word.time >= patient.discharged:
            continue
        event = PumpDelivery(
            **says("pump_delivery", f"{infusion.drug} {word.phase}", word.time),
            device_id=f"pump-{patient.id}",
            drug=infusion.drug,
            phase=word.phase,
            delivery_status=word.status,
            rate=_flow(word.rate, strength),
            programmed_rate=_flow(word.programmed, strength),
            concentration=None if strength is None else Quantity(value=strength, unit="mg/mL"),
            not_delivering_reason=word.reason,
        )
        yield word.time, TimedEvent(word.time + delay, event)


def _totals(
    patient: WardPatient, infusion: Infusion, before: float, rng: np.random.Generator
) -> Iterator[tuple[int, TimedEvent]]:
    says = _says(patient, "ward-pump")
    strength = _strength(patient, infusion)
    times = [infusion.connected[0], *range(infusion.start + TOTALS_MS, infusion.end, TOTALS_MS), infusion.end + 1000]
    for time in times:
        delay = _network_delay(rng)
        if not infusion.heard(time) or time >= patient.discharged:
            continue
        total = before + infusion.delivered_until(time)
        delivered = _mg(total) if strength is None else Quantity(value=total / strength, unit="mL")
        event = PumpTotals(
            **says("pump_totals", infusion.drug, time),
            device_id=f"pump-{patient.id}",
            drug=infusion.drug,
            delivered=delivered,
            concentration=None if strength is None else Quantity(value=strength, unit="mg/mL"),
        )
        yield time, TimedEvent(time + delay, event)


def _strength(patient: WardPatient, infusion: Infusion) -> float | None:
    """mg/mL of the bag where the pump reports volumes (every second patient's does); ``None`` where it reports mg.

    One strength serves all bags of a patient, so that the counter's volume means one thing.
    """
    if patient.index % 4 >= 2:
        return None
    litres = max(0.1, 0.005 * infusion.hours)  # assumed: a 100 mL bag, or an ambulatory pump at 5 mL/h
    return float(f"{infusion.amount / (1000 * litres):.3g}")


def _flow(rate: float, strength: float | None) -> Quantity:
    return Quantity(value=rate, unit="mg/h") if strength is None else Quantity(value=rate / strength, unit="mL/h")


def _network_delay(rng: np.random.Generator) -> int:
    """ms: mostly under two seconds, one message in a hundred held up for minutes and so out of order."""
    held = rng.random() < 0.01
    return round(rng.uniform(MINUTE_MS, 10 * MINUTE_MS) if held else rng.uniform(200, 2000))


def _association(
    patient: WardPatient, device: str, start: int, end: int, every: int
) -> Iterator[tuple[int, TimedEvent]]:
    says = _says(patient, "ward-devices")
    bound = DeviceAssociation(
        **says("device_association", device, start),
        device_id=device,
        associated=True,
        expected_every=Quantity(value=every / 1000, unit="s"),
    )
    yield start, TimedEvent(start + 500, bound)
    if end < patient.discharged:
        released = DeviceAssociation(**says("device_association", device, end), device_id=device, associated=False)
        yield end, TimedEvent(end + 500, released)


# --- laboratory ------------------------------------------------------------------------------------------------------


def _results(patient: WardPatient) -> Iterator[tuple[int, TimedEvent]]:
    for specimen, value in patient.results:
        if specimen.corrected is None:
            yield specimen.time, TimedEvent(specimen.reported, _result(patient, specimen, value))
            continue
        slip = _result(patient, specimen, MISREAD * value)
        right = _result(patient, specimen, value, replaces=slip.event_id)
        yield specimen.time, TimedEvent(specimen.reported, slip)
        yield specimen.time, TimedEvent(specimen.corrected, right)


def _result(
    patient: WardPatient, specimen: Specimen, value: float, replaces: str | None = None
) -> DrugLevel | LabResult:
    says = _says(patient, "ward-laboratory")
    status: dict[str, Any] = {"status": "corrected", "replaces": replaces} if replaces else {}
    output = next(o for o in patient.model.outputs if o.name == specimen.output)
    subject = f"{output.name} corrected" if replaces else output.name
    if drug_of(output, patient.model) is not None:
        below = output.unit == "mg/L" and value < LLOQ
        return DrugLevel(
            **says("drug_level", subject, specimen.time),
            **status,
            analyte=output.name,
            value=_reported(patient, LLOQ if below else value, output.unit),
            lloq=_reported(patient, LLOQ, output.unit) if output.unit == "mg/L" else None,
            below_lloq=below,
        )
    unit = "10*3/uL" if output.unit == "10*9/L" and patient.index % 3 == 2 else output.unit
    reported = Quantity(value=_digits(value, output), unit=unit)
    envelope = says("lab_result", subject, specimen.time)
    return LabResult(**envelope, **status, analyte=output.name, value=reported, loinc=LOINC.get(output.name))


def _digits(value: float, output: OutputSpec) -> float:
    """A result as it is written down: whole grades, cells with two decimals, else four digits."""
    if kind_of(output).discrete:
        return float(round(value))
    return max(0.01, round(value, 2)) if output.unit == "10*9/L" else float(f"{value:.4g}")


def _reported(patient: WardPatient, value: float, unit: str) -> Quantity:
    """A level with four digits, in ng/mL from every third patient's laboratory."""
    if unit == "mg/L" and patient.index % 3 == 1:
        return Quantity(value=float(f"{1000 * value:.4g}"), unit="ng/mL")
    return Quantity(value=float(f"{value:.4g}"), unit=unit)


# --- wearable --------------------------------------------------------------------------------------------------------


def _wearable(patient: WardPatient, every: int) -> Iterator[tuple[int, TimedEvent]]:
    """Heart rate, temperature and oxygen saturation: a daily rhythm, noise, and fever while the count is very low.
    What the patient's model has an output for is as that predicts it."""
    device = f"wearable-{patient.id}"
    start = patient.admitted + ADMISSION_MS
    yield from heapq.merge(
        _association(patient, device, start, patient.discharged, every),
        _samples(patient, device, start, every),
        _cuff(patient, device, start),
        key=_event_millis,
    )


def _samples(patient: WardPatient, device: str, start: int, every: int) -> Iterator[tuple[int, TimedEvent]]:
    says = _says(patient, "ward-wearable")
    rng = patient.rng(VITALS)
    modelled = observed_channels(patient)
    resting, usual, febrile = rng.uniform(58, 88), rng.uniform(36.4, 36.9), rng.random() < 0.3
    for time in range(start + every, patient.discharged, every):
        beat, warmth, oxygen, delay = rng.standard_normal(4)
        rhythm = float(np.sin(2 * np.pi * (time % (24 * HOUR_MS)) / (24 * HOUR_MS) - 2.0))
        fever = _fever(patient, time) if febrile else 0.0
        arrives = _heard_at(patient, time, delay)
        if arrives is None:
            continue
        readings: tuple[tuple[Channel, float, str], ...] = (
            ("heart_rate", round(resting + 6 * rhythm + 9 * fever + 3 * beat), "/min"),
            ("body_temperature", round(usual + 0.3 * rhythm + fever + 0.1 * warmth, 2), "Cel"),
            ("spo2", min(100, max(85, round(97 - 0.8 * fever + 0.9 * oxygen))), "%"),
        )
        for channel, value, unit in readings:
            if channel in modelled:
                continue
            sample = VitalSample(
                **says("vital_sample", channel, time),
                device_id=device,
                channel=channel,
                value=Quantity(value=float(value), unit=unit),
                clock_behind=_clock_behind(patient, time, every),
            )
            yield time, TimedEvent(arrives, sample)


def _cuff(patient: WardPatient, device: str, start: int) -> Iterator[tuple[int, TimedEvent]]:
    """What the patient's model has an output for, as a device reads it."""
    if not observed_channels(patient):
        return
    says = _says(patient, "ward-wearable")
    for reading in cuff_readings(patient, start):
        arrives = _heard_at(patient, reading.time, 1.0)
        if arrives is None:
            continue
        sample = VitalSample.model_validate(
            says("vital_sample", reading.channel, reading.time)
            | {
                "device_id": device,
                "channel": reading.channel,
                "value": Quantity(value=reading.value, unit=VITAL_RANGES[reading.channel][0]),
            }
        )
        yield reading.time, TimedEvent(arrives, sample)


def _heard_at(patient: WardPatient, time: int, delay: float) -> int | None:
    """When a reading taken at ``time`` arrives; never if it was lost in a gap."""
    for begin, end, stored in patient.sensor_gaps:
        if begin <= time < end:
            return end + round(1000 * abs(delay)) if stored else None
    return time + round(300 + 700 * abs(delay))


def _clock_behind(patient: WardPatient, time: int, every: int) -> Quantity | None:
    """What a hub that knows its wearable's clock says of it; of a right one for an hour after it was set."""
    if patient.clock_off is None:
        return None
    begin, end, behind = patient.clock_off
    said = begin <= time < end + max(every, HOUR_MS)
    return Quantity(value=float(behind if time < end else 0), unit="s") if said else None


def _fever(patient: WardPatient, time: int) -> float:
    """K above usual: up to 2 while the true count has been under grade 4 (assumed; not every such patient has it)."""
    for toxicity in patient.model.toxicities:
        if toxicity.side == "above":
            continue
        k = int(np.searchsorted(patient.grid, time - 12 * HOUR_MS))
        low = float(patient.truth[toxicity.output][min(k, len(patient.grid) - 1)])
        if low < toxicity.limit:
            return 2.0 * min(1.0, 2 * (1 - low / toxicity.limit))
    return 0.0
