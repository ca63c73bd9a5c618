"""What a twin costs: a new count, a late one, a row, an event after ten thousand others, and its rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from time import perf_counter, process_time, thread_time
from typing import NamedTuple

from streams.bench.patients import EVENTS_AN_HOUR, PatientCourse, daily, infused, steady_hours, steady_start
from twin import PatientTwin
from twin.alerts.lifecycle import AlertBook, Transition
from twin.alerts.rules import rules
from twin.alerts.snapshot import Snapshot
from twin.clock import DAY_MS, UNIT_MS
from twin.events import InputEvent, LabResult, to_millis
from twin.model.spec import Model
from twin.patient.model_fold import ModelFold
from twin.timeline.regimen import treatment

Progress = Callable[[int], object]
"""Takes how many events were told so far."""

NEAR = 4
"""Hours on either side over which the cost of an event is taken as the median."""

EARLY, LATE = 100, 10_000
"""Numbers of the events that `growth` compares."""


@dataclass(frozen=True)
class Grown:
    """A twin that knows its patient's history, as a row; rows are how a copy is made."""

    model: Model
    observed: PatientCourse
    row: bytes

    def twin(self) -> PatientTwin:
        """A copy of its own."""
        return PatientTwin.from_row(self.row, self.model)


def grown(model: Model, observed: PatientCourse, particles: int, progress: Progress = lambda _: None) -> Grown:
    """Tell a twin the history, a day at a time."""
    twin = PatientTwin(observed.patient_id, model, particles)
    done = 0
    for day in days(observed.history):
        twin.observe(day)
        done += len(day)
        progress(done)
    return Grown(model, observed, twin.row())


def days(events: Sequence[InputEvent]) -> Iterator[list[InputEvent]]:
    """Events in order of time, a day of them at a time."""
    day: list[InputEvent] = []
    for event in events:
        if day and to_millis(event.time) // DAY_MS != to_millis(day[0].time) // DAY_MS:
            yield day
            day = []
        day.append(event)
    if day:
        yield day


class Received(NamedTuple):
    """What one count took, in ms, and whether the cloud was resampled and moved for it."""

    ms: float
    moved: bool


def new_counts(patient: Grown, delay: int = 0) -> list[Received]:
    """What each further count takes: the posterior given all history, prediction, estimates, forecasts.

    The other events of the days ahead are told in between. Counts come ``delay`` ms after their own time; those of the
    first day only warm the copy up.
    """
    twin = patient.twin()
    now = patient.observed.now
    waiting: list[InputEvent] = []
    received: list[Received] = []
    arrivals = sorted(
        patient.observed.ahead, key=lambda event: to_millis(event.time) + delay * isinstance(event, LabResult)
    )
    for event in arrivals:
        if not isinstance(event, LabResult):
            waiting.append(event)
            continue
        twin.observe(waiting)
        waiting.clear()
        before = twin.belief.eta
        begin = perf_counter()
        update = twin.observe([event])
        if to_millis(event.time) > now + DAY_MS:
            received.append(Received(1000.0 * (perf_counter() - begin), twin.belief.eta is not before))
            if not any(said.kind == "prediction" for said in update.outputs):
                raise RuntimeError(f"the count {event.event_id} was not assimilated: {update.rejected}")
    return received


def courses(patients: Sequence[Grown]) -> dict[str, float]:
    """Means and worsts of ``update_ms`` and ``late_event_ms``; ``update_moved_share``; the largest ``state_row_bytes``.

    A count moves the particles when the weights have become too uneven, which is seldom with a long history: the share
    says how many of the prompt counts did.
    """
    prompt = [received for patient in patients for received in new_counts(patient)]
    late = [received for patient in patients for received in new_counts(patient, delay=DAY_MS)]
    return {
        "update_ms": round(fmean(count.ms for count in prompt), 1),
        "update_ms_worst": round(max(count.ms for count in prompt), 1),
        "update_moved_share": round(fmean(count.moved for count in prompt), 3),
        "late_event_ms": round(fmean(count.ms for count in late), 1),
        "late_event_ms_worst": round(max(count.ms for count in late), 1),
        "state_row_bytes": max(len(patient.row) for patient in patients),
    }


def asked(models: Sequence[Model], cycles: int, particles: int, repeats: int) -> dict[str, dict[str, float]]:
    """``advice_ms`` and ``what_if_ms`` by model: processor time of advice on the next dose, and of five branches.

    The first model's usual treatment was given for so many cycles, those of the others for one: a stiff one takes its
    time to follow a patient. The first time only warms up; of the others the median counts.
    """
    from twin.dosing.advice import advise
    from twin.dosing.protocol import usual_protocol
    from twin.dosing.whatif import what_if

    found: dict[str, dict[str, float]] = {"advice_ms": {}, "what_if_ms": {}}
    for number, model in enumerate(models):
        twin, protocol, drug = treated(model, 1 if number else cycles, particles), usual_protocol(model), model.drug
        branches = [f"give {drug} {amount} mg iv in 24 h over 1 h" for amount in (60, 80, 96, 110, 130)]
        asks: dict[str, Callable[[], object]] = {
            "advice_ms": lambda twin=twin, protocol=protocol: advise(twin, None, protocol),  # type: ignore[misc]
            "what_if_ms": lambda twin=twin, branches=branches: what_if(twin, branches),  # type: ignore[misc]
        }
        for name, ask in asks.items():
            found[name][model.id] = _usual_ms(ask, repeats)
    return found


def slowest_advice(models: Sequence[Model], particles: int, repeats: int) -> dict[str, dict[str, float] | int]:
    """``advice_ms_slowest``: processor time of advice by the model of which it takes longest, after one course.

    Asked are those by which a protocol can advise where nothing is planned, ``advice_models`` of them.
    """
    from twin.dosing.advice import advise
    from twin.dosing.decision import NoAdvice
    from twin.dosing.protocol import ProtocolError, usual_protocol

    found: dict[str, float] = {}
    for model in models:
        try:
            protocol = usual_protocol(model)
            twin = treated(model, 1, particles) if model.regimens else PatientTwin("ASKED", model, particles)
            found[model.id] = _usual_ms(lambda twin=twin, protocol=protocol: advise(twin, None, protocol), repeats)  # type: ignore[misc]
        except (ProtocolError, NoAdvice):  # neither aim nor limit, or no dose to come
            continue
    slowest = max(found, key=found.__getitem__)
    return {"advice_ms_slowest": {slowest: found[slowest]}, "advice_models": len(found)}


def treated(model: Model, cycles: int, particles: int) -> PatientTwin:
    """A twin of whose patient the model's regimens were given for so many of their cycles, and nothing was measured."""
    longest = max(regimen.interval for regimen in model.regimens) * UNIT_MS[model.time_unit] / DAY_MS
    twin = PatientTwin("ASKED", model, particles)
    twin.observe(treatment(model, "ASKED", cycles * longest))
    return twin


def _usual_ms(ask: Callable[[], object], repeats: int) -> float:
    """Processor time, ms: the median of some times after the first, which warms up."""
    ask()
    return round(median(_processor_ms(ask) for _ in range(repeats)), 1)


def _processor_ms(ask: Callable[[], object]) -> float:
    begin = thread_time()
    ask()
    return 1000.0 * (thread_time() - begin)


def levels(model: Model, patients: int, particles: int) -> dict[str, float]:
    """``update_levels_ms``: what each of ten levels in the day of an infusion takes, the first one left out."""
    received: list[float] = []
    for number in range(patients):
        patient_id = f"LEVELS-{number + 1}"
        start, *observed = infused(patient_id, seed=number)
        twin = PatientTwin(patient_id, model, particles)
        twin.observe([start])
        for at, level in enumerate(observed):
            begin = perf_counter()
            twin.observe([level])
            if at:
                received.append(1000.0 * (perf_counter() - begin))
        if twin.belief.observations != len(observed):
            raise RuntimeError(f"{len(observed)} levels were observed and {twin.belief.observations} assimilated")
    return {"update_levels_ms": round(fmean(received), 2)}


def growth(model: Model, patients: int, particles: int, progress: Progress = lambda _: None) -> dict[str, float]:
    """``cost_growth``: cost of an event near the 10,000th of a patient over that near the 100th.

    Events are told one by one. Hours hold the same events everywhere (see `streams.bench.patients.steady_hours`), so
    hours are compared, in turn, by two twins of the same patient; near both places none has a count in it: what a count
    costs has figures of its own.
    """
    received: dict[int, list[float]] = {EARLY: [], LATE: []}
    for number in range(patients):
        patient_id = f"STEADY-{number + 1}"
        hours = list(steady_hours(patient_id, LATE // EVENTS_AN_HOUR + NEAR + 1))
        twins = {event: PatientTwin(patient_id, model, particles) for event in received}
        for event, twin in twins.items():
            twin.observe(steady_start(patient_id))
            for hour in hours[: event // EVENTS_AN_HOUR - NEAR]:
                twin.observe(hour)
        for offset in range(-NEAR, NEAR + 1):
            for event, twin in twins.items():
                received[event].append(_seconds(twin, hours[event // EVENTS_AN_HOUR + offset]))
        progress(number + 1)
    return {"cost_growth": round(median(received[LATE]) / median(received[EARLY]), 3)}


def years(
    model: Model, patients: int, particles: int, days: int, progress: Progress = lambda _: None
) -> dict[str, float]:
    """``cost_growth_years``: processor time of the last third of ``days`` over that of the first.

    A dose a day and a count every tenth, told as they come; the model's parameters drift.
    """
    first = last = 0.0
    for number in range(patients):
        patient_id = f"YEARS-{number + 1}"
        twin = PatientTwin(patient_id, model, particles)
        for day, observed in enumerate(daily(patient_id, days)):
            received = _seconds(twin, observed)
            first += received if day < days // 3 else 0.0
            last += received if day >= days - days // 3 else 0.0
        progress(number + 1)
    return {"cost_growth_years": round(last / first, 3)}


class _Judging(ModelFold):
    """A fold that notes what it takes to judge: ``spent``, seconds of processor time."""

    spent = 0.0

    def _judged(self, book: AlertBook, snapshot: Snapshot) -> tuple[AlertBook, tuple[Transition, ...]]:
        begin = process_time()
        judged = super()._judged(book, snapshot)
        self.spent += process_time() - begin
        return judged


def rules_share(
    patients: Iterable[tuple[str, Model, Sequence[InputEvent]]], particles: int, progress: Progress = lambda _: None
) -> dict[str, float]:
    """``rules_share``: of the processor time of folding, the percentage that goes into judging what is found.

    Args:
        patients: their ids and models, and what is said of each in order of event time.
        particles: size of a twin.
        progress: takes how many patients are done.
    """
    rules()  # which are looked for once a process
    judging = folding = 0.0
    for number, (patient_id, model, events) in enumerate(patients, start=1):
        fold = _Judging(patient_id, model, particles)
        for day in days(events):
            fold.receive(day)
            begin = process_time()
            while (due := fold.due()) is not None and fold.newest is not None and due <= fold.newest:
                fold.step(due)
            folding += process_time() - begin
        judging += fold.spent
        progress(number)
    return {"rules_share": round(100 * judging / folding, 2)}


def _seconds(twin: PatientTwin, hour: Sequence[InputEvent]) -> float:
    """Processor time that an hour's events take."""
    begin = thread_time()
    for event in hour:
        twin.observe([event])
    return thread_time() - begin
