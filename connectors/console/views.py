"""What the page is told: small frozen values cut from the twin's events, ready to be written as JSON.

Everything here is a pure function of one event or of a patient's newest events. Times are integer milliseconds since
the Unix epoch (event time); five quantiles are always (q05, q25, median, q75, q95); numbers carry five significant
digits, which is finer than any Monte-Carlo error behind them and keeps a frame small.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connectors.console.grounds import Grounds, grounds_of
from connectors.console.ward.trend import Trend, is_count
from connectors.console.ward.urgency import Urgency, alarm_order, urgency
from twin.alerts.rules import title_of
from twin.clock import DAY_MS
from twin.events import (
    Alert,
    AlertHandling,
    Band,
    Estimate,
    Exposure,
    Forecast,
    Nadir,
    Prediction,
    Rejected,
    Subject,
    to_millis,
)
from twin.wording import Wording

Quantiles = tuple[float, float, float, float, float]

STEPS_SHOWN = 40


class Level(msgspec.Struct, frozen=True):
    """One model output as it stands now; ``band`` in ``unit``."""

    name: str
    unit: str
    band: Quantiles


class Rate(msgspec.Struct, frozen=True):
    """What the pumps deliver of ``drug`` now and in all, and ``planned`` is what should have been by now; ``plan`` is
    "below" or "above" while an alert says so."""

    drug: str
    rate: float
    rate_unit: str
    delivered: float | None
    delivered_unit: str | None
    plan: str | None
    planned: float | None


class Due(msgspec.Struct, frozen=True):
    """The next planned dose of ``drug``: when, how much in ``unit``, and over how many hours (None: at once)."""

    drug: str
    time: int
    amount: float
    unit: str
    hours: float | None


class Target(msgspec.Struct, frozen=True):
    """Exposure beside its target window, in ``unit``; ``None``: what cannot be said, or a limit that there is not."""

    name: str
    measure: str
    unit: str
    so_far: Quantiles
    at_end: Quantiles | None
    low: float | None
    high: float | None
    p_below: float | None
    p_above: float | None


class LowPoint(msgspec.Struct, frozen=True):
    """The nadir ahead: its value in ``unit`` and its time (q05, median, q95)."""

    output: str
    unit: str
    value: Quantiles
    times: tuple[int, int, int]
    p_grade4: float


class Handled(msgspec.Struct, frozen=True):
    """What somebody did about an alert last: what, who, when and why."""

    action: str
    by: str
    time: int
    reason: str


class AlertStep(msgspec.Struct, frozen=True):
    """One published transition of an alert."""

    revision: int
    state: str
    phase: str
    time: int
    severity: str
    probability: float | None
    horizon_hours: float | None
    freshness_hours: float | None
    text: str
    said: Wording | None
    advice: str | None
    shelved_until: int | None
    inhibited_by: str | None
    inhibiting_alert: str | None
    handled: Handled | None


class AlertCard(msgspec.Struct, frozen=True):
    """An alert with its history, oldest step first; state and ``grounds`` are those of the last step."""

    id: str
    rule: str
    title: str
    subject: Subject
    onset: int
    active: bool
    steps: tuple[AlertStep, ...]
    grounds: Grounds | None = None


class MeasuredPoint(msgspec.Struct, frozen=True):
    """A measured value and what the twin and the population had expected of it."""

    t: int
    output: str
    unit: str
    observed: float
    median: float
    q05: float
    q95: float
    population: float
    pit: float


class Point(msgspec.Struct, frozen=True):
    """The twin at ``t``: outputs ``o``, exposure ``e`` (so far, then quantiles at its end), pump rates ``r``, and those
    that are planned, ``p``."""

    t: int
    o: dict[str, Quantiles]
    e: dict[str, tuple[float, ...]]
    r: dict[str, float]
    p: dict[str, float]


class Foreseen(msgspec.Struct, frozen=True):
    """A forecast as it is kept: from ``t`` on, per output five rows of quantiles along ``times``, and the nadir."""

    t: int
    model: str
    times: tuple[int, ...]
    rows: dict[str, tuple[tuple[float, ...], ...]]
    nadir: LowPoint | None


class Ahead(msgspec.Struct, frozen=True):
    """The newest forecast: per output five rows of quantiles along ``times``."""

    t: int
    times: tuple[int, ...]
    o: dict[str, tuple[tuple[float, ...], ...]]


class Refused(msgspec.Struct, frozen=True):
    """A dead letter, without its original bytes."""

    reason: str
    detail: str
    patient_id: str | None
    event_id: str | None
    topic: str | None
    partition: int | None
    offset: int | None


class WardRow(msgspec.Struct, frozen=True):
    """One line of the ward table. ``urgency`` sorts the ward, largest first; ``alerts`` carry their last step only,
    who needs somebody first, and ``classes`` which unseen class the patient is of how probably, likeliest first."""

    id: str
    urgency: Urgency
    model: str | None
    time: int | None
    rates: tuple[Rate, ...]
    levels: tuple[Level, ...]
    count: str | None
    concentration: str | None
    targets: tuple[Target, ...]
    nadir: LowPoint | None
    alerts: tuple[AlertCard, ...]
    measured: MeasuredPoint | None
    observations: int
    ess: float | None
    notes: tuple[str, ...] = ()
    due: tuple[Due, ...] = ()
    trend: Trend | None = None
    classes: tuple[tuple[str, float], ...] = ()


def brief(value: float) -> float:
    """``value`` with five significant digits.

    >>> brief(0.123456789)
    0.12346
    """
    return float(f"{value:.5g}")


def quantiles(band: Band) -> Quantiles:
    """The five quantiles of a band, shortened by `brief`."""
    return (brief(band.q05), brief(band.q25), brief(band.median), brief(band.q75), brief(band.q95))


def point(estimate: Estimate) -> Point:
    """The estimate as one point of the patient's history."""
    return Point(
        t=to_millis(estimate.time),
        o={band.name: quantiles(band) for band in estimate.outputs},
        e={
            part.so_far.name: (brief(part.so_far.median), *(() if part.at_end is None else quantiles(part.at_end)))
            for part in estimate.exposure
        },
        r={drug: brief(rate.value) for drug, rate in estimate.delivered_rate.items()},
        p={drug: brief(planned.rate.value) for drug, planned in (estimate.planned or {}).items()},
    )


def measured(prediction: Prediction) -> MeasuredPoint:
    """The prediction as a measured point."""
    return MeasuredPoint(
        t=to_millis(prediction.time),
        output=prediction.output,
        unit=prediction.unit,
        observed=brief(prediction.observed),
        median=brief(prediction.median),
        q05=brief(prediction.q05),
        q95=brief(prediction.q95),
        population=brief(prediction.population_median),
        pit=brief(prediction.pit),
    )


def foreseen(forecast: Forecast) -> Foreseen:
    """What is kept of the forecast: no value is shortened yet, as most are never looked at."""
    return Foreseen(
        t=to_millis(forecast.time),
        model=forecast.model,
        times=tuple(map(to_millis, forecast.times)),
        rows={band.name: band.quantiles for band in forecast.outputs},
        nadir=None if forecast.nadir is None else _low_point(forecast, forecast.nadir),
    )


def ahead(forecast: Foreseen) -> Ahead:
    """The forecast as rows of quantiles."""
    shortened = {name: tuple(tuple(map(brief, row)) for row in rows) for name, rows in forecast.rows.items()}
    return Ahead(t=forecast.t, times=forecast.times, o=shortened)


def alert_card(steps: Sequence[Alert]) -> AlertCard:
    """An alert from its transitions in the order of their revisions (at least one).

    Of a long history the first and the newest `STEPS_SHOWN` steps are kept.
    """
    if len(steps) > STEPS_SHOWN + 1:
        steps = (steps[0], *steps[-STEPS_SHOWN:])
    last = steps[-1]
    return AlertCard(
        id=last.alert_id,
        rule=last.rule,
        title=title_of(last.rule),
        subject=last.subject,
        onset=to_millis(last.onset),
        active=last.live,
        steps=tuple(
            AlertStep(
                revision=step.revision,
                state=step.state,
                phase=step.phase,
                time=to_millis(step.time),
                severity=step.severity,
                probability=step.probability,
                horizon_hours=step.horizon_hours,
                freshness_hours=step.freshness_hours,
                text=step.text,
                said=step.said,
                advice=step.advice,
                shelved_until=None if step.shelved_until is None else to_millis(step.shelved_until),
                inhibited_by=None if step.inhibited_by is None else step.inhibited_by.rule,
                inhibiting_alert=None if step.inhibited_by is None else step.inhibited_by.alert_id,
                handled=None if step.handled is None else _handled(step.handled),
            )
            for step in steps
        ),
        grounds=grounds_of(last),
    )


def _handled(done: AlertHandling) -> Handled:
    return Handled(done.action, done.by, to_millis(done.time), done.reason)


def refused(letter: Rejected) -> Refused:
    """The dead letter as the page shows it."""
    return Refused(
        letter.reason,
        letter.detail[:500],
        letter.patient_id,
        letter.event_id,
        letter.topic,
        letter.partition,
        letter.offset,
    )


def row(
    patient_id: str,
    latest: Estimate | None,
    forecast: Foreseen | None,
    active: Sequence[AlertCard],
    last_measured: MeasuredPoint | None,
    trend: Trend | None = None,
) -> WardRow:
    """The ward line of one patient from the newest of everything known."""
    levels = () if latest is None else tuple(Level(b.name, b.unit, quantiles(b)) for b in latest.outputs)
    nadir = None if forecast is None else forecast.nadir
    count = nadir.output if nadir else next((level.name for level in levels if is_count(level.unit)), None)
    ordered = tuple(sorted(active, key=lambda card: (*alarm_order(card.steps[-1]), card.rule)))
    return WardRow(
        id=patient_id,
        urgency=urgency([card.steps[-1] for card in ordered], nadir.p_grade4 if nadir else 0.0),
        model=latest.model if latest else forecast.model if forecast else None,
        time=None if latest is None else to_millis(latest.time),
        rates=() if latest is None else _rates(latest, ordered),
        levels=levels,
        count=count,
        concentration=next((x.name for x in levels if x.name != count and not is_count(x.unit)), None),
        targets=() if latest is None else tuple(map(_target, latest.exposure)),
        nadir=nadir,
        alerts=tuple(msgspec.structs.replace(card, steps=card.steps[-1:], grounds=None) for card in ordered),
        measured=last_measured,
        observations=0 if latest is None else latest.observations,
        ess=None if latest is None else brief(latest.ess),
        notes=() if latest is None else latest.notes or (),
        due=() if latest is None else _due(latest),
        trend=trend,
        classes=() if latest is None else _classes(latest),
    )


def _classes(latest: Estimate) -> tuple[tuple[str, float], ...]:
    found = sorted((latest.class_probability or {}).items(), key=lambda one: -one[1])
    return tuple((name, brief(p)) for name, p in found)


def _rates(latest: Estimate, active: Sequence[AlertCard]) -> tuple[Rate, ...]:
    off_plan = {(card.rule, card.subject.name) for card in active if card.subject.kind == "drug"}
    rates = []
    for drug, rate in latest.delivered_rate.items():
        below, above = ((rule, drug) in off_plan for rule in ("delivery.underinfusion", "delivery.overinfusion"))
        plan = "below" if below else "above" if above else None
        total = latest.delivered.get(drug)
        delivered, unit = (brief(total.value), total.unit) if total else (None, None)
        planned = (latest.planned or {}).get(drug)
        by_now = None if planned is None else brief(planned.amount.value)
        rates.append(Rate(drug, brief(rate.value), rate.unit, delivered, unit, plan, by_now))
    return tuple(rates)


def _due(latest: Estimate) -> tuple[Due, ...]:
    doses = (
        Due(
            drug,
            to_millis(dose.time),
            brief(dose.amount.value),
            dose.amount.unit,
            None if dose.duration is None else brief(dose.duration.value),
        )
        for drug, dose in (latest.due or {}).items()
    )
    return tuple(sorted(doses, key=lambda dose: (dose.time, dose.drug)))


def _target(part: Exposure) -> Target:
    return Target(
        name=part.so_far.name,
        measure=part.measure,
        unit=part.so_far.unit,
        so_far=quantiles(part.so_far),
        at_end=None if part.at_end is None else quantiles(part.at_end),
        low=part.target_low,
        high=part.target_high,
        p_below=None if part.p_below is None else brief(part.p_below),
        p_above=None if part.p_above is None else brief(part.p_above),
    )


def _low_point(forecast: Forecast, nadir: Nadir) -> LowPoint:
    start = to_millis(forecast.time)
    early, middle, late = (start + round(days * DAY_MS) for days in (nadir.day.q05, nadir.day.median, nadir.day.q95))
    return LowPoint(
        nadir.output, nadir.value.unit, quantiles(nadir.value), (early, middle, late), brief(nadir.p_grade4)
    )
