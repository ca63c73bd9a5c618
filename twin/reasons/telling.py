"""An explanation for people, as lines of text, and for machines, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twin.alerts.rules import title_of
from twin.events import AlertEvidence, AlertThreshold, Covariate, Deciding, DoseGiven, InputEvent, Measurement
from twin.events import PumpDelivery as PumpWord
from twin.names import shown
from twin.reasons.explanation import Explanation, Otherwise
from twin.writing import duration, number
from twin.writing import unit as written

RESEARCH = "For research: a person decides."


def explanation_lines(found: Explanation) -> list[str]:
    """The alert, on what it rests, what was believed without and with its datum, and what would let it not stand."""
    alert, evidence = found.alert, found.alert.evidence
    assert evidence is not None, "only an alert with evidence is explained"
    lines = [
        f"alert {alert.alert_id} of {alert.patient_id}: {title_of(alert.rule)} ({alert.rule}), "
        f"{shown(alert.subject.name)}",
        f"  {alert.severity}, {alert.state} since {alert.onset.isoformat()}; revision {alert.revision}, "
        f"{alert.phase} at {alert.time.isoformat()}",
        f"  {shown(alert.text)}",
        *([f"  {shown(alert.advice)}"] if alert.advice else []),
        "",
        f"rests on, as judged at {evidence.judged.isoformat()}:",
        *(f"  {line}" for line in _evidence_lines(found)),
        "",
        *_belief_lines(found),
    ]
    ways = [f"  {_otherwise(way)}" for way in found.otherwise]
    return [*lines, "", "it would not stand if", *(ways or ["  the events that decided it were others"]), "", RESEARCH]


def explanation_values(found: Explanation) -> dict[str, Any]:
    """All of an explanation as JSON has it."""
    from msgspec import to_builtins

    return {
        "alert": found.alert.model_dump(mode="json", exclude_none=True),
        "events": [event.model_dump(mode="json", exclude_none=True) for event in found.events],
        "datum": to_builtins(found.datum),
        "before": to_builtins(found.before),
        "after": to_builtins(found.after),
        "record_moved": found.moved,
        "otherwise": [to_builtins(way) for way in found.otherwise],
    }


def _evidence_lines(found: Explanation) -> list[str]:
    alert, evidence = found.alert, found.alert.evidence
    assert evidence is not None, "only an alert with evidence is explained"
    lines = [_level(evidence)]
    if evidence.threshold is not None:
        lines.append(_threshold(evidence.threshold))
    if evidence.watched is not None:
        lines.append(_watched(evidence))
    if alert.horizon_hours is not None:
        lines.append(f"within {duration(alert.horizon_hours, 'h')}")
    lines += [f"decided by {_deciding(one, _event_of(one, found.events))}" for one in evidence.decided_by]
    lines += [
        f"newest of {one.source}: {'' if one.source == 'laboratory' else 'at most '}{duration(one.age_hours, 'h')} old"
        for one in evidence.freshness
    ]
    return [*lines, f"model {alert.model} {alert.model_hash}, rules {alert.rules_hash or 'unknown'}"]


def _belief_lines(found: Explanation) -> list[str]:
    if found.datum is None:
        return ["no event is named that decided it"]
    rows = [
        f"believed without {_deciding(found.datum, _event_of(found.datum, found.events))}: {_belief(found.before)}",
        f"believed with it: {_belief(found.after)}",
    ]
    if found.after is None and found.alert.evidence is not None and found.alert.evidence.level is not None:
        rows.append("note: the rule goes by more than the record, an advice of the worker's, which is not made here")
    if found.moved:
        rows.append("note: the record of that time is another by now than when the alert was told")
    return rows


def _belief(evidence: AlertEvidence | None) -> str:
    if evidence is None:
        return "nothing that the rule could judge"
    return _level(evidence) + ("" if evidence.watched is None else f"; {_watched(evidence)}")


def _level(evidence: AlertEvidence) -> str:
    if evidence.level is None:
        return "nothing is left to judge"
    if evidence.standard_error is None:
        return f"level {number(evidence.level)}"
    return f"probability {number(evidence.level)} ± {number(evidence.standard_error, 2)} (Monte-Carlo error)"


def _threshold(threshold: AlertThreshold) -> str:
    unit = "" if threshold.unit == "1" else f" {written(threshold.unit)}"
    margin = f" by {number(threshold.margin, 2)} for its error" if threshold.margin else ""
    said = f"raised above {number(threshold.raise_above)}{unit}{margin}, cleared below {number(threshold.clear_below)}"
    reasons = [threshold.source or "", f"assumed: {threshold.assumed}" if threshold.assumed else ""]
    why = "; ".join(reason for reason in reasons if reason)
    return said + (f" ({shown(why)})" if why else "")


def _watched(evidence: AlertEvidence) -> str:
    watched = evidence.watched
    assert watched is not None, "asked only where something is watched"
    unit = written(watched.unit)
    parts = [] if watched.value is None else [f"{number(watched.value)} {unit}"]
    if watched.median is not None and watched.q05 is not None and watched.q95 is not None:
        parts.append(f"{number(watched.q05)} to {number(watched.q95)} {unit}, median {number(watched.median)}")
    if watched.limit is not None:
        side = "" if watched.side is None else f" ({'not above' if watched.side == 'above' else 'not below'})"
        parts.append(f"limit {number(watched.limit)}{side}")
    return f"{shown(watched.quantity)}: {'; '.join(parts)}"


def _deciding(one: Deciding, event: InputEvent | None) -> str:
    name = f"'{shown(one.event_id)}'" if one.event_id is not None else "repeated"
    return f"{one.kind} {name} of {shown(one.of)}, {one.time.isoformat()}" + ("" if event is None else _value(event))


def _event_of(one: Deciding, events: Sequence[InputEvent]) -> InputEvent | None:
    """The event itself, or the first of the samples that it stands for."""
    if one.event_id is not None:
        return next((event for event in events if event.event_id == one.event_id), None)
    return next((event for event in events if (event.kind, event.time) == (one.kind, one.time)), None)


def _value(event: InputEvent) -> str:
    match event:
        case Measurement(value=value) | DoseGiven(amount=value) | PumpWord(rate=value):
            return f": {number(value.value)} {written(value.unit)}"
        case Covariate(value=value) if value is not None:
            return f": {number(value.value)} {written(value.unit)}"
    return ""


def _otherwise(way: Otherwise) -> str:
    unit = "" if way.unit == "1" else f" {written(way.unit)}"
    value = "" if way.value is None else f" (it is {number(way.value)}{unit})"
    if way.at_most is not None:
        return f"{shown(way.quantity)} were at most {number(way.at_most)}{unit}{value}"
    if way.at_least is not None:
        return f"{shown(way.quantity)} were at least {number(way.at_least)}{unit}{value}"
    return f"no other value of {shown(way.quantity)} within a factor of {number(way.within or 1.0)}{value}"
