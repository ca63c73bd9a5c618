"""An alert explained: what was believed without the datum that decided it and with it, and what would let it not stand.

    without = fold(record - datum)          with = fold(record)          both judged at the alert's time

The record is folded as it was known of by the alert's own time; what came of later times is left out. How large a
measured value would have had to be is sought by bisection: the record is folded once up to it, and from there on with
each other value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from twin.events import (
    Alert,
    AlertEvidence,
    AlertThreshold,
    Clock,
    Deciding,
    DrugLevel,
    InputEvent,
    LabResult,
    PumpDelivery,
    Quantity,
    Subject,
    VitalSample,
    from_millis,
    to_millis,
)
from twin.reasons.change import FACTORS, smallest_factor

ORDERS = ("regimen_planned", "device_association")
"""Kinds of events that say what should be: another event is held against them, and is what decided."""

PLANNED = "what is planned, times as much"
"""A plan under which a delivery would not be too much, or too little, beside the present one."""

Judged = dict[tuple[str, Subject], AlertEvidence]


class Observer(Protocol):
    """A twin as far as it is needed here."""

    def observe(self, events: Sequence[InputEvent]) -> object:
        """Observe events, in any order."""

    def judged(self, now: int) -> Judged:
        """What every rule finds at ``now`` (ms)."""

    def row(self) -> bytes:
        """Its state."""


class Twins(Protocol):
    """Where twins of the patient come from."""

    def begin(self) -> Observer:
        """One that has observed nothing."""

    def resume(self, row: bytes) -> Observer:
        """One that goes on from a row."""


@dataclass(frozen=True)
class Otherwise:
    """What would let the alert not stand.

    Attributes:
        quantity, unit: what would have to be another.
        value: what it is; ``at_least``, ``at_most``: what it would have to be, one of them or none.
        within: the factor within which a measured value was looked for; of another nothing was sought.
    """

    quantity: str
    unit: str
    value: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    within: float | None = None


@dataclass(frozen=True)
class Explanation:
    """Why an alert stands, or does not any more.

    Attributes:
        alert: the revision that is explained, and ``events`` those of the record that decided it, where they are there.
        datum: of these the one that is left out, ``None`` where there is none.
        before, after: what the rule finds of the record without it and with it, at the alert's time; ``None`` where it
            finds nothing.
        otherwise: see `Otherwise`, each way for itself.
    """

    alert: Alert
    events: tuple[InputEvent, ...]
    datum: Deciding | None
    before: AlertEvidence | None
    after: AlertEvidence | None
    otherwise: tuple[Otherwise, ...]

    @property
    def moved(self) -> bool:
        """Whether the record is another by now than when the alert was told."""
        told, now = self.alert.evidence, self.after
        return told is not None and now is not None and told.level is not None and told.level != now.level


def explain(alert: Alert, events: Sequence[InputEvent], twins: Twins) -> Explanation:
    """Explain an alert of a patient with these events.

    Raises:
        ValueError: the alert says nothing of what it rests on, or the events are of another patient.
    """
    evidence = alert.evidence
    if evidence is None:
        raise ValueError(f"alert {alert.alert_id} carries no evidence: it was told before alerts did")
    others = sorted({event.patient_id for event in events if event.patient_id != alert.patient_id})
    if others:
        raise ValueError(f"alert {alert.alert_id} is of patient {alert.patient_id}, the events are of {others[0]}")
    now = to_millis(evidence.judged)
    record = [event for event in events if to_millis(event.time) <= now]
    ids = {one.event_id for one in evidence.decided_by if one.event_id is not None}
    datum = deciding_datum(evidence)
    named = tuple(event for event in record if event.event_id in ids or (datum is not None and _begins(event, datum)))
    about = alert.rule, alert.subject
    after = _judged(twins, record, now).get(about)
    rest = record if datum is None else [event for event in record if not is_datum(event, datum)]
    before = None if datum is None else _judged(twins, rest, now).get(about)
    ways = tuple(_ways(alert, after or evidence, record, datum, twins, now))
    return Explanation(alert, named, datum, before, after, ways)


def deciding_datum(evidence: AlertEvidence) -> Deciding | None:
    """The newest event that decided, but for orders that it is held against."""
    found = [one for one in evidence.decided_by if one.kind not in ORDERS] or list(evidence.decided_by)
    return max(found, key=lambda one: (one.time, one.kind in ("lab_result", "drug_level")), default=None)


def is_datum(event: InputEvent, datum: Deciding) -> bool:
    """Whether an event is the datum, or one of the readings or a pump's samples that it stands for."""
    if datum.event_id is not None:
        return event.event_id == datum.event_id
    if isinstance(event, VitalSample):
        return event.channel == datum.of and event.time >= datum.time - timedelta(hours=1)
    return isinstance(event, PumpDelivery) and event.device_id == datum.of and event.time >= datum.time


def _begins(event: InputEvent, datum: Deciding) -> bool:
    """Whether an event is the first of the pump's samples that the datum stands for."""
    repeated = datum.event_id is None and isinstance(event, PumpDelivery)
    return repeated and is_datum(event, datum) and event.time == datum.time


def _judged(twins: Twins, events: Sequence[InputEvent], now: int) -> Judged:
    twin = twins.begin()
    twin.observe([*events, *(_until(events[0].patient_id, now) if events else ())])
    try:
        return twin.judged(now)
    except ValueError:  # without that datum there is nothing that a belief could rest on
        return {}


def _until(patient_id: str, now: int) -> tuple[Clock, ...]:
    """That it is ``now`` (ms): so the record is folded to there as it was."""
    return (Clock(event_id=f"explained at {now}", patient_id=patient_id, time=from_millis(now), source="explain"),)


def _ways(
    alert: Alert, found: AlertEvidence, record: Sequence[InputEvent], datum: Deciding | None, twins: Twins, now: int
) -> list[Otherwise]:
    """What would let an alert not stand that rests on what was found."""
    level, threshold, watched = found.level, found.threshold, found.watched
    if level is None or threshold is None:
        return []
    raised = level > threshold.raise_above + threshold.margin
    limit = _limit(threshold, raised=raised)
    name = "probability" if found.standard_error is not None else "level"
    ways = [Otherwise(name, threshold.unit, level, at_most=limit)]
    measured = next(
        (one for one in record if datum is not None and one.event_id == datum.event_id and isinstance(one, _Measured)),
        None,
    )
    if found.standard_error is not None and measured is not None:
        stands = _stands(alert, record, measured, twins, now, raised=raised)
        ways.append(_measured_otherwise(measured, stands))
    elif watched is not None and watched.value is not None and watched.limit is not None and watched.side is not None:
        most, least = (watched.limit, None) if watched.side == "above" else (None, watched.limit)
        ways.append(Otherwise(watched.quantity, watched.unit, watched.value, least, most))
        if alert.rule.startswith("delivery.") and watched.limit > 0 and watched.value > 0:  # it goes with the plan
            times = watched.value / watched.limit
            ways.append(Otherwise(PLANNED, "1", None, *((times, None) if most is not None else (None, times))))
    return ways


def _limit(threshold: AlertThreshold, *, raised: bool) -> float:
    """Above which level an alert stands that is raised by it, or that was before and is not cleared yet."""
    return threshold.raise_above + threshold.margin if raised else threshold.clear_below


_Measured = LabResult | DrugLevel


def _measured_otherwise(measured: LabResult | DrugLevel, stands: Callable[[float], bool]) -> Otherwise:
    value, unit = measured.value.value, measured.value.unit
    change = smallest_factor(lambda factor: stands(factor * value)) if value > 0 else None
    if change is None:
        return Otherwise(measured.analyte, unit, value, within=FACTORS[-1])
    other = value * change
    return Otherwise(
        measured.analyte, unit, value, other if change > 1 else None, other if change < 1 else None, FACTORS[-1]
    )


def _stands(
    alert: Alert,
    record: Sequence[InputEvent],
    measured: LabResult | DrugLevel,
    twins: Twins,
    now: int,
    *,
    raised: bool,
) -> Callable[[float], bool]:
    """Whether the alert would stand if the measured value were another."""
    early = [event for event in record if event.time < measured.time]
    late = [event for event in record if event.time >= measured.time and event.event_id != measured.event_id]
    twin = twins.begin()
    twin.observe(early)
    row = twin.row()

    def stands(value: float) -> bool:
        other = measured.model_copy(
            update={"value": Quantity(value=value, unit=measured.value.unit), "below_lloq": False, "above_uloq": False}
        )
        resumed = twins.resume(row)
        resumed.observe([*late, other, *_until(measured.patient_id, now)])
        found = resumed.judged(now).get((alert.rule, alert.subject))
        if found is None or found.level is None or found.threshold is None:
            return False
        return found.level > _limit(found.threshold, raised=raised)

    return stands
