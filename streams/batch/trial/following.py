"""One virtual patient followed by its twin, as on a ward: what was heard when, beside what was true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from connectors.feeds.stream import TimedEvent
from connectors.feeds.ward.patients import WardPatient
from streams.batch.trial.patients import TrialPlan, plan_starts, told
from twin.clock import DAY_MS, MINUTE_MS, UNIT_MS
from twin.events import Alert, Estimate, Forecast, InputEvent, LabResult, OutputEvent, to_millis
from twin.model.spec import Model, ToxicitySpec, output_index
from twin.patient.averaged import begun_twin
from twin.trial.course import TrueCourse
from twin.trial.plain_rules import Result, plain_rules
from twin.trial.pump_faults import Pumped, Raised
from twin.trial.reliability import Stated
from twin.trial.warnings import Standing, Warned, Watch, judge
from twin.units import convert

TWIN = "twin"
"""Name of the twin's alerts beside those of plain rules."""

RULE = "tox.neutropenia_g4"
"""The rule whose alerts are held against events; of a model of other counts it is the same one."""

DELIVERY = "delivery."
"""What the names of rules about delivery begin with."""


@dataclass(frozen=True)
class FollowedPatient:
    """One patient of a trial.

    Attributes:
        warned: by who warned, `TWIN` or a plain rule; none for a model without toxicity.
        stated: probabilities with their outcomes.
        pumped: what was said of the pump; ``None`` for a patient without one.
        alerts: number of alerts of each rule.
        of_class: the class of a mixture that the patient is of.
    """

    patient_id: str
    warned: dict[str, Warned]
    stated: tuple[Stated, ...]
    pumped: Pumped | None
    alerts: dict[str, int]
    of_class: str | None = None


@dataclass
class _Heard:
    """What the twin said: every record of an alert with the ms of its being heard, looks, one a day, and how probable
    each class was in the end."""

    alerts: list[tuple[int, Alert]] = field(default_factory=list)
    forecasts: dict[int, Forecast] = field(default_factory=dict)
    estimates: dict[int, Estimate] = field(default_factory=dict)
    classes: dict[str, float] = field(default_factory=dict)


def follow(plan: TrialPlan, model: Model, patient: WardPatient) -> FollowedPatient:
    """Tell a twin of ``model`` all that is said of a patient, and judge what it said."""
    end = patient.admitted + round(plan.days * DAY_MS)
    twin = begun_twin(patient.id, model, plan.particles)
    heard, results = _Heard(), []
    for now, batch in _by_minute(told(plan, patient)):
        results += list(_results(model, batch, now))
        events: list[InputEvent] = []
        for event in batch:
            # As a worker does: a reading that repeats another costs microseconds while nothing else waits.
            if events or not twin.take(event):
                events.append(event)
        if events:
            _listen(heard, twin.observe(events).outputs, now, patient.admitted)
    stated = [*_of_forecasts(model, patient, heard), *_of_exposures(model, patient, heard), *_of_class(patient, heard)]
    warned: dict[str, Warned] = {}
    toxicity = warned_of(model)
    if toxicity is not None:
        watch = _watch(model, patient, toxicity, end)
        standings = {TWIN: tuple(_standings(heard.alerts, toxicity))}
        standings |= plain_rules(results, plan_starts(patient), watch.limit, end)
        warned = {name: judge(watch, alerts) for name, alerts in standings.items()}
        stated += _of_alerts(patient, watch, warned[TWIN])
    counts: dict[str, int] = {}
    for _, alert in heard.alerts:
        counts[alert.rule] = counts.get(alert.rule, 0) + (alert.revision == 0)
    return FollowedPatient(
        patient.id, warned, tuple(stated), _pumped(patient, heard, plan.days), counts, patient.of_class
    )


def _by_minute(arrivals: Iterator[TimedEvent]) -> Iterator[tuple[int, list[InputEvent]]]:
    """What is heard in one minute, together, at the ms of the last word of it."""
    batch: list[InputEvent] = []
    now = 0
    for arrival in arrivals:
        if batch and arrival.time // MINUTE_MS != now // MINUTE_MS:
            yield now, batch
            batch = []
        now = arrival.time
        batch.append(arrival.event)
    if batch:
        yield now, batch


def _results(model: Model, batch: Sequence[InputEvent], now: int) -> Iterator[Result]:
    toxicity = warned_of(model)
    if toxicity is None:
        return
    watched = [output.name for output in model.outputs].index(toxicity.output)
    for event in batch:
        if isinstance(event, LabResult) and output_index(model, event.analyte) == watched:
            value = convert(event.value.value, event.value.unit, model.outputs[watched].unit)
            yield Result(now, to_millis(event.time), value)


def _listen(heard: _Heard, outputs: Sequence[OutputEvent], now: int, admitted: int) -> None:
    """Keep alerts, and of each day the first forecast and the first estimate of the present."""
    newest = max((to_millis(output.time) for output in outputs), default=0)
    for output in outputs:
        if isinstance(output, Alert):
            heard.alerts.append((now, output))
        elif to_millis(output.time) == newest:
            if isinstance(output, Estimate):
                heard.classes = output.class_probability or {}
            day = (newest - admitted) // DAY_MS
            if isinstance(output, Forecast):
                heard.forecasts.setdefault(day, output)
            elif isinstance(output, Estimate) and output.exposure:
                heard.estimates.setdefault(day, output)


def _standings(alerts: Sequence[tuple[int, Alert]], toxicity: ToxicitySpec) -> Iterator[Standing]:
    """The alerts of a toxicity as they were heard, in the order of their raising."""
    by_id: dict[str, list[tuple[int, Alert]]] = {}
    for now, alert in alerts:
        if alert.rule == RULE and alert.subject.name in (toxicity.output, toxicity.name):
            by_id.setdefault(alert.alert_id, []).append((now, alert))
    for records in by_id.values():
        raised, first = records[0]
        last, newest = records[-1]
        if _holds(first):
            yield Standing(raised, None if _holds(newest) else last, first.probability)


def _holds(alert: Alert) -> bool:
    """The alert stands and its condition with it: one that is only latched claims nothing more."""
    return alert.state in ("active", "acknowledged")


def warned_of(model: Model) -> ToxicitySpec | None:
    """The toxicity whose warnings are held against events: the first that falls, at all."""
    return next((each for each in model.toxicities if each.side == "below" and not each.lasting), None)


def _watch(model: Model, patient: WardPatient, toxicity: ToxicitySpec, end: int) -> Watch:
    course = TrueCourse(patient.grid, patient.truth[toxicity.output])
    horizon = round(toxicity.horizon * UNIT_MS[model.time_unit])
    return Watch(patient.id, patient.admitted, end, course, toxicity.limit, horizon)


def _foreseeable(patient: WardPatient, start: int, end: int) -> bool:
    """Whether no fault of a pump begins between ``start`` and ``end`` (ms).

    What is said of the time ahead is said of the treatment as delivered and planned.
    """
    return not any(start < since <= end for since in _faults(patient))


def _faults(patient: WardPatient) -> list[int]:
    """ms at which the patient's pumps began to fail, in order."""
    struck = (one.happened for one in patient.infusions if one.scenario != "as_ordered")
    return sorted(happened[0] for happened in struck if happened is not None)


def _of_alerts(patient: WardPatient, watch: Watch, warned: Warned) -> Iterator[Stated]:
    """What alerts said when they were raised."""
    for claim in warned.claims:
        foreseeable = _foreseeable(patient, claim.millis, claim.millis + watch.horizon)
        if claim.probability is not None and foreseeable:
            yield Stated(f"{RULE}, when raised", warned.patient_id, claim.probability, claim.right)


def _of_forecasts(model: Model, patient: WardPatient, heard: _Heard) -> Iterator[Stated]:
    """Every toxicity within its horizon, a forecast a day."""
    unit = UNIT_MS[model.time_unit]
    by_name = {toxicity.name: toxicity for toxicity in model.toxicities}
    for forecast in heard.forecasts.values():
        for ahead in forecast.toxicities:
            toxicity, start = by_name[ahead.name], to_millis(ahead.seen_from)
            # What rises above a limit falls, with its sign changed, below it.
            sign = 1.0 if toxicity.side == "below" else -1.0
            course = TrueCourse(patient.grid, sign * patient.truth[ahead.output])
            window = sign * toxicity.limit, start, start + round(toxicity.horizon * unit)
            if not _foreseeable(patient, *window[1:]):
                continue
            came = course.falls_below(*window, lasting=round(toxicity.lasting * unit))
            yield Stated(f"{toxicity.name} within the horizon", patient.id, ahead.probability, came)


def _of_class(patient: WardPatient, heard: _Heard) -> list[Stated]:
    """How probable each class was in the end, where the true patients are of classes of these names."""
    known = heard.classes if patient.of_class in heard.classes else {}
    return [Stated(f"is of class {name}", patient.id, p, name == patient.of_class) for name, p in known.items()]


def _of_exposures(model: Model, patient: WardPatient, heard: _Heard) -> Iterator[Stated]:
    """Exposure of a course beyond a limit of its window, an estimate a day from the beginning of the course on."""
    targets = {target.state: target for target in model.targets if target.measure == "course"}
    drug_starts = {
        drug: np.array(sorted({i.start for i in patient.infusions if i.drug == drug} | _by_hand(patient, drug)))
        for drug in {target.drug for target in targets.values()}
    }
    for estimate in heard.estimates.values():
        for exposure in estimate.exposure:
            target = targets.get(exposure.so_far.name)
            if target is None or exposure.at_end is None or exposure.measure != "course":
                continue
            now = to_millis(estimate.time)
            course = _course(patient, exposure.so_far.name, drug_starts[target.drug], now)
            if course is None or not _foreseeable(patient, now, course[0]):
                continue
            total = course[1]
            if exposure.p_above is not None and target.high is not None:
                yield Stated(f"{target.name} above target", patient.id, exposure.p_above, total > target.high)
            if exposure.p_below is not None and target.low is not None:
                yield Stated(f"{target.name} below target", patient.id, exposure.p_below, total < target.low)


def _by_hand(patient: WardPatient, drug: str) -> set[int]:
    return {dose.time for dose in patient.given if dose.drug == drug}


def _course(patient: WardPatient, state: str, starts: np.ndarray, millis: int) -> tuple[int, float] | None:
    """End (ms) and true exposure of the whole course that ``millis`` lies in; ``None`` before the first."""
    gap = 3 * DAY_MS
    begun = [start for k, start in enumerate(starts.tolist()) if k == 0 or start - starts[k - 1] > gap]
    past = [start for start in begun if start <= millis]
    if not past:
        return None
    end = next((start for start in begun if start > millis), patient.discharged + 1)
    last = int(np.searchsorted(patient.grid, end)) - 1
    return end, float(patient.truth[state][last])


def _pumped(patient: WardPatient, heard: _Heard, days: float) -> Pumped | None:
    if not patient.infusions:
        return None
    end = patient.admitted + round(days * DAY_MS)
    struck = [i for i in patient.infusions if i.scenario != "as_ordered" and i.happened and i.happened[0] < end]
    raised = tuple(
        Raised(alert.rule, to_millis(alert.time), now)
        for now, alert in heard.alerts
        if alert.rule.startswith(DELIVERY) and alert.revision == 0
    )
    running = sum(max(min(i.end, end) - i.start, 0) for i in patient.infusions) / DAY_MS
    if not struck:
        return Pumped(None, None, raised, days, running)
    happened = struck[0].happened
    assert happened is not None
    return Pumped(struck[0].scenario, happened[0], raised, days, running)
