"""Whom the benchmarks measure: patients of the simulated ward, and one whose every hour is like the next.

All are pure functions of their arguments, so that two runs measure the same events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import numpy as np

from connectors.feeds.ward.ward import WARD_MODELS, SimulatedWard, named_models
from twin.clock import DAY_MS, HOUR_MS
from twin.events import (
    ClinicalEnvelope,
    Clock,
    Covariate,
    DoseGiven,
    DrugLevel,
    Enrolment,
    InputEvent,
    LabResult,
    PlannedDose,
    PumpDelivery,
    Quantity,
    RegimenPlanned,
    VitalSample,
    event_id,
    from_millis,
    to_millis,
)
from twin.model.spec import Model

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
"""The first admission."""

LONG_AGO = timedelta(days=3650)
"""Before `BEGIN`: what is over, whatever day it is."""

CYCLE_DAYS = 21

VITALS_EVERY = 900.0
"""Seconds between the wearable's readings over months of a course (a state row is the same with more of them)."""

EVENTS_AN_HOUR = 20
"""Of `steady_hours`: 15 readings of a wearable, 4 samples of a pump and one word of the clock."""


@dataclass(frozen=True)
class PatientCourse:
    """One patient's course in event-time order: what is known by now, and what comes afterwards."""

    patient_id: str
    history: tuple[InputEvent, ...]
    ahead: tuple[InputEvent, ...]

    @property
    def now(self) -> int:
        """End of the history, ms."""
        return to_millis(self.history[-1].time)


def course(model: Model, seed: int, cycles: int, days_ahead: int) -> PatientCourse:
    """A ward patient until a day after the last infusion of so many 21-day cycles, and some days more.

    Pump, wearable, clock, doses, levels and counts as the ward has them, each told once and rightly: a result that was
    corrected is the corrected one.
    """
    last = (cycles - 1) * CYCLE_DAYS + 1
    ward = SimulatedWard((model,), 1, BEGIN, seed=seed, days=float(last + days_ahead), vitals_every=VITALS_EVERY)
    (patient,) = ward.patients
    observed = [arrival.event for arrival in ward.arrivals()]
    wrong = {event.replaces for event in observed if isinstance(event, ClinicalEnvelope)}
    stands = sorted((_final(e) for e in observed if e.event_id not in wrong), key=lambda event: event.time)
    now = patient.admitted + last * DAY_MS
    known = sum(to_millis(event.time) <= now for event in stands)
    return PatientCourse(patient.id, tuple(stands[:known]), tuple(stands[known:]))


def _final(event: InputEvent) -> InputEvent:
    if not isinstance(event, ClinicalEnvelope) or event.replaces is None:
        return event
    return event.model_copy(update={"status": "final", "replaces": None})


def steady_start(patient_id: str) -> tuple[InputEvent, ...]:
    """Admission of a patient on a protracted infusion of fluorouracil, whose pump runs at one rate for weeks."""
    bound = Covariate(**_envelope(patient_id, 0, "BSA"), name="BSA", value=Quantity(value=1.8, unit="m2"))
    # 300 mg/m2 a day until the catheter is taken out.
    dose = PlannedDose(
        time=from_millis(_at(0)), amount=Quantity(value=540.0 * 40, unit="mg"), duration=Quantity(value=960.0, unit="h")
    )
    plan = RegimenPlanned(**_envelope(patient_id, 0, "plan"), drug="fluorouracil", doses=(dose,))
    return bound, plan, _pump(patient_id, 0, "start")


def steady_hours(patient_id: str, hours: int) -> Iterator[tuple[InputEvent, ...]]:
    """Hour after hour the same `EVENTS_AN_HOUR` events in time order, the clock last.

    At noon of every other day a count is one event more.
    """
    for hour in range(hours):
        begin = hour * HOUR_MS
        observed: list[InputEvent] = [
            VitalSample(
                **_envelope(patient_id, begin + number * 4 * 60_000 + 30_000, "heart rate"),
                device_id="wearable",
                channel="heart_rate",
                value=Quantity(value=70.0 + (hour + number) % 9, unit="/min"),
            )
            for number in range(15)
        ]
        observed += [_pump(patient_id, begin + number * 15 * 60_000 + 60_000, "sample") for number in range(4)]
        if hour % 48 == 12:
            value = Quantity(value=6.0 + 0.5 * (hour % 5), unit="10*9/L")
            observed.append(
                LabResult(**_envelope(patient_id, begin + 59 * 60_000, "count"), analyte="leukocytes", value=value)
            )
        observed.append(Clock(**_envelope(patient_id, begin + HOUR_MS, "clock")))
        yield tuple(sorted(observed, key=lambda event: event.time))


def newcomer(patient_id: str, baseline: float) -> tuple[InputEvent, ...]:
    """A docetaxel patient's first day: a dose, a count before it and a level after it, and the clock at its end."""
    hour = HOUR_MS
    return (
        Covariate(**_envelope(patient_id, 0, "ANC0"), name="ANC0", value=Quantity(value=baseline, unit="10*9/L")),
        LabResult(
            **_envelope(patient_id, hour, "count"), analyte="neutrophils", value=Quantity(value=baseline, unit="10*9/L")
        ),
        DoseGiven(
            **_envelope(patient_id, 2 * hour, "dose"),
            drug="docetaxel",
            route="iv",
            amount=Quantity(value=100.0, unit="mg"),
            duration=Quantity(value=1.0, unit="h"),
        ),
        DrugLevel(
            **_envelope(patient_id, 4 * hour, "level"), analyte="docetaxel", value=Quantity(value=0.35, unit="mg/L")
        ),
        Clock(**_envelope(patient_id, 8 * hour, "clock")),
    )


def reading(patient_id: str, hours: float) -> VitalSample:
    """A reading of a wearable so many hours after admission."""
    pulse = Quantity(value=72.0, unit="/min")
    return VitalSample(
        **_envelope(patient_id, round(hours * HOUR_MS), "heart rate"),
        device_id="wearable",
        channel="heart_rate",
        value=pulse,
    )


def infused(patient_id: str, seed: int) -> tuple[InputEvent, ...]:
    """An infusion over an hour of the drug of `streams.bench.models.two_compartments`, and ten levels in its day.

    The levels are a patient's with half to twice the clearance of the typical one, with a scatter of a fifth.
    """
    draw = np.random.Generator(np.random.Philox(key=seed))
    fast, slow = draw.uniform(0.2, 0.6), draw.uniform(0.03, 0.08)
    hours = np.array([0.5, 1, 1.5, 2, 3, 4, 6, 9, 13, 24])
    shape = 0.8 * np.exp(-fast * np.maximum(hours - 1, 0)) + 0.2 * np.exp(-slow * np.maximum(hours - 1, 0))
    values = 5.0 * np.minimum(hours, 1.0) * shape * np.exp(0.2 * draw.standard_normal(len(hours)))
    dose = DoseGiven(
        **_envelope(patient_id, 0, "dose"),
        drug="drug",
        route="iv",
        amount=Quantity(value=100.0, unit="mg"),
        duration=Quantity(value=1.0, unit="h"),
    )
    drawn = [
        DrugLevel(
            **_envelope(patient_id, round(hour * HOUR_MS), "level"),
            analyte="plasma",
            value=Quantity(value=value, unit="mg/L"),
        )
        for hour, value in zip(hours.tolist(), values.tolist(), strict=True)
    ]
    return dose, *drawn


def daily(patient_id: str, days: int) -> Iterator[tuple[InputEvent, ...]]:
    """A child on 6-mercaptopurine: a dose every day, and every tenth day a count, which wanders over the months."""
    draw = np.random.Generator(np.random.Philox(key=int.from_bytes(patient_id.encode(), "little")))
    level = 0.0
    for day in range(days):
        at = day * DAY_MS
        amount = Quantity(value=17.5, unit="mg")
        observed: list[InputEvent] = [
            DoseGiven(**_envelope(patient_id, at, "dose"), drug="mercaptopurine", route="oral", amount=amount)
        ]
        level = 0.995 * level + 0.03 * float(draw.standard_normal())
        if day % 10 == 5:
            value = 1.9 * float(np.exp(level + 0.3 * draw.standard_normal()))
            observed.append(
                LabResult(
                    **_envelope(patient_id, at + HOUR_MS, "count"),
                    analyte="neutrophils",
                    value=Quantity(value=value, unit="10*9/L"),
                )
            )
        yield tuple(observed)


def years(patient_id: str, model: Model, days: int) -> list[InputEvent]:
    """A child's story as it waits to be told long after: `daily`, with two readings of a wearable a day, in order."""
    readings = (reading(patient_id, 12.0 * number) for number in range(1, 2 * days))
    told = chain((enrolment(patient_id, model),), chain.from_iterable(daily(patient_id, days)), readings)
    past = (event.model_copy(update={"time": event.time - LONG_AGO}) for event in told)
    return sorted(past, key=lambda event: event.time)


def ward_bytes(size: int, hours: float) -> Iterator[tuple[int, bytes]]:
    """What a ward of ``size`` patients says in its first hours, encoded, with the ms of arrival since its beginning."""
    from twin.events import encode

    ward = SimulatedWard(named_models(WARD_MODELS), size, BEGIN, days=2.0)
    begin = to_millis(BEGIN)
    for arrival in ward.arrivals():
        if arrival.time - begin > hours * HOUR_MS:
            return
        yield arrival.time - begin, encode(arrival.event)


def ward_courses(size: int, days: float) -> Iterator[tuple[str, Model, tuple[InputEvent, ...]]]:
    """Patients of the ward by its mix of models: id, model, and what is said of each in order of event time."""
    ward = SimulatedWard(named_models(WARD_MODELS), size, BEGIN, days=days, vitals_every=VITALS_EVERY)
    said: dict[str, list[InputEvent]] = {patient.id: [] for patient in ward.patients}
    for arrival in ward.arrivals():
        said[arrival.event.patient_id].append(arrival.event)
    for patient in ward.patients:
        yield patient.id, patient.model, tuple(sorted(said[patient.id], key=lambda event: event.time))


def enrolment(patient_id: str, model: Model) -> Enrolment:
    """The patient gets a twin."""
    return Enrolment(**_envelope(patient_id, 0, "enrolment"), model=model.id)


def _pump(patient_id: str, millis: int, phase: str) -> PumpDelivery:
    fields: dict[str, Any] = {"phase": phase, "delivery_status": "delivering"}
    rate = Quantity(value=22.5, unit="mg/h")
    return PumpDelivery(
        **_envelope(patient_id, millis, f"pump {phase}"), device_id="pump", drug="fluorouracil", rate=rate, **fields
    )


def _envelope(patient_id: str, millis: int, what: str) -> dict[str, Any]:
    return {
        "event_id": event_id("bench", patient_id, what, millis),
        "patient_id": patient_id,
        "time": from_millis(_at(millis)),
        "source": "bench",
    }


def _at(millis: int) -> int:
    return to_millis(BEGIN) + millis
