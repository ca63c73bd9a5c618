"""What the time-series database holds: every event that is worth a curve or a table row, as InfluxDB line protocol.

Pure functions from an event to lines. A point is its measurement, its tags and its time, and a later write of the same
point replaces it; so all three come from the event alone, and reading the stream again changes nothing.

| measurement | tags | fields | time |
|---|---|---|---|
| `estimate` | patient, model, output, unit | q05 q25 median q75 q95 | event |
| `forecast` | patient, model, output, unit | q05 … q95, issued (ns) | the time forecast |
| `nadir` | patient, model, output, unit | q05 … q95, day_q05 … day_q95, p_grade4 | event |
| `prediction` | patient, model, output, unit | observed, q05 … q95, pit, innovation, population_median | event |
| `parameter` | patient, model, parameter, unit | q05 … q95 | event |
| `exposure` | patient, model, exposure, unit | so_far_q05 …, at_end_q05 …, target_low …, p_below, p_above | event |
| `delivery` | patient, model, drug | rate_mg_per_h, delivered_mg | event |
| `health` | patient, model | ess, log_evidence, observations | event |
| `alert` | patient, model, rule, subject, subject_kind | alert_id, state, severity, revision, onset, …, text | event |
| `vital` | patient, channel, unit | value, status | event |
| `planned_dose` | patient, drug, route | amount_mg, duration_h, plan | planned |
| `planned_dose` | patient, drug, route | in_force: the plan that rules from here on | event of the plan |
| `rejected` | reason, topic, partition | position, patient, detail | arrival of the dead letter |

Tags are few and bounded: never an event id or an alert id, and a device's name only where an alert is about it. What
may change when late data come (severity, text) is a field, so that the corrected point replaces the old one. Curves are
floats in every point.
Two alerts, or doses of two plans, of one patient in one millisecond stay apart by the nanoseconds below it, which are
taken from their ids.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from twin.events import (
    Alert,
    Band,
    Estimate,
    Forecast,
    InputEvent,
    OutputEvent,
    PlannedDose,
    Prediction,
    Quantity,
    RegimenPlanned,
    Rejected,
    VitalSample,
    to_millis,
)
from twin.units import UnitError, convert

NS_PER_MS = 1_000_000

LONGEST_TEXT = 2_000
"""Characters of free text kept in a field: InfluxDB refuses strings above 64 KiB."""

_QUANTILES = ("q05", "q25", "median", "q75", "q95")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TAG_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_TEXT_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})

Field = float | int | str | None
Fields = Mapping[str, Field]


def event_lines(event: OutputEvent | InputEvent) -> list[str]:
    """The lines of one event, in a fixed order; empty for kinds that are not shown."""
    match event:
        case Estimate():
            return list(_estimate(event))
        case Forecast():
            return list(_forecast(event))
        case Prediction():
            return [_prediction(event)]
        case Alert():
            return [_alert(event)]
        case VitalSample():
            return [_vital(event)]
        case RegimenPlanned():
            return list(_plan(event))
        case _:
            return []


def rejected_line(rejected: Rejected, arrived_ms: int, partition: int, offset: int) -> str:
    """The line of a dead letter that the broker stamped ``arrived_ms`` at this partition and offset of its topic.

    An unusable input often has no event time, so arrival counts; ``position`` names the original record, so that an
    input refused twice (after a crash) can be counted once.
    """
    origin = (rejected.topic, rejected.partition, rejected.offset)
    fields: Fields = {
        "position": "/".join(map(str, origin)) if None not in origin else f"dead-letter/{partition}/{offset}",
        "patient": rejected.patient_id,
        "detail": rejected.detail,
    }
    tags = {"reason": rejected.reason, "topic": rejected.topic or "", "partition": str(partition)}
    return _line("rejected", tags, fields, arrived_ms * NS_PER_MS + offset % NS_PER_MS)


def _estimate(event: Estimate) -> Iterator[str]:
    who, ns = {"patient": event.patient_id, "model": event.model}, _ns(event.time)
    for band in event.outputs:
        yield _line("estimate", who | {"output": band.name, "unit": band.unit}, _band(band), ns)
    for band in event.parameters:
        yield _line("parameter", who | {"parameter": band.name, "unit": band.unit}, _band(band), ns)
    for exposure in event.exposure:
        yield _line(
            "exposure",
            who | {"exposure": exposure.at_end.name, "unit": exposure.at_end.unit},
            {
                **_band(exposure.so_far, "so_far_"),
                **_band(exposure.at_end, "at_end_"),
                "target_low": exposure.target_low,
                "target_high": exposure.target_high,
                "p_below": exposure.p_below,
                "p_above": exposure.p_above,
            },
            ns,
        )
    for drug in sorted({*event.delivered_rate, *event.delivered}):
        rate = _in(event.delivered_rate.get(drug), "mg/h")
        amount = _in(event.delivered.get(drug), "mg")
        if rate is not None or amount is not None:
            yield _line("delivery", who | {"drug": drug}, {"rate_mg_per_h": rate, "delivered_mg": amount}, ns)
    health = {"ess": event.ess, "log_evidence": event.log_evidence, "observations": float(event.observations)}
    yield _line("health", who, health, ns)
    for rival, weight in (event.model_weights or {}).items():
        yield _line("model_weight", who | {"rival": rival}, {"weight": weight}, ns)


def _forecast(event: Forecast) -> Iterator[str]:
    who, issued = {"patient": event.patient_id, "model": event.model}, _ns(event.time)
    for output in event.outputs:
        tags = who | {"output": output.name, "unit": output.unit}
        levels = zip(output.q05, output.q25, output.median, output.q75, output.q95, strict=True)
        for time, level in zip(event.times, levels, strict=True):
            yield _line("forecast", tags, {**dict(zip(_QUANTILES, level, strict=True)), "issued": issued}, _ns(time))
    if event.nadir is not None:
        nadir = event.nadir
        fields = {**_band(nadir.value), **_band(nadir.day, "day_"), "p_grade4": nadir.p_grade4}
        yield _line("nadir", who | {"output": nadir.output, "unit": nadir.value.unit}, fields, issued)


def _prediction(event: Prediction) -> str:
    tags = {"patient": event.patient_id, "model": event.model, "output": event.output, "unit": event.unit}
    names = ("observed", *_QUANTILES, "pit", "innovation", "population_median")
    return _line("prediction", tags, {name: float(getattr(event, name)) for name in names}, _ns(event.time))


def _alert(event: Alert) -> str:
    fields: Fields = {
        "alert_id": event.alert_id,
        "state": event.state,
        "severity": event.severity,
        "revision": event.revision,
        "onset": _ns(event.onset),
        "probability": event.probability,
        "horizon_hours": event.horizon_hours,
        "freshness_hours": event.freshness_hours,
        "text": event.text,
    }
    tags = {"patient": event.patient_id, "model": event.model, "rule": event.rule}
    tags |= {"subject": event.subject.name, "subject_kind": event.subject.kind}
    # Thousands tell alerts apart, units order the transitions of one alert.
    below_ms = _scatter(event.alert_id, 1000) * 1000 + min(event.revision, 999)
    return _line("alert", tags, fields, _ns(event.time) + below_ms)


def _vital(event: VitalSample) -> str:
    tags = {"patient": event.patient_id, "channel": event.channel, "unit": event.value.unit}
    return _line("vital", tags, {"value": event.value.value, "status": event.status}, _ns(event.time))


def _plan(event: RegimenPlanned) -> Iterator[str]:
    """The doses of a plan and the mark from which it rules; a retracted plan leaves an empty mark."""
    tags = {"patient": event.patient_id, "drug": event.drug, "route": event.route}
    retracted = event.status == "retracted"
    yield _line("planned_dose", tags, {"in_force": "" if retracted else event.event_id}, _ns(event.time))
    if retracted:
        return
    below_ms = 1 + _scatter(event.event_id, NS_PER_MS - 1)  # after the mark of the same millisecond
    for dose in event.doses:
        amount, hours = _in(dose.amount, "mg"), _hours(dose)
        if amount is not None and hours is not None:
            fields: Fields = {"amount_mg": amount, "duration_h": hours, "plan": event.event_id}
            yield _line("planned_dose", tags, fields, _ns(dose.time) + below_ms)


def _hours(dose: PlannedDose) -> float | None:
    return 0.0 if dose.duration is None else _in(dose.duration, "h")


def _in(quantity: Quantity | None, unit: str) -> float | None:
    """``quantity`` in ``unit``, or None where it cannot be: the worker says so, here it is only not drawn."""
    if quantity is None:
        return None
    try:
        return float(convert(quantity.value, quantity.unit, unit))
    except UnitError:
        return None


def _band(band: Band, prefix: str = "") -> dict[str, float]:
    return {prefix + name: float(getattr(band, name)) for name in _QUANTILES}


def _ns(time: datetime) -> int:
    return to_millis(time) * NS_PER_MS


def _scatter(name: str, buckets: int) -> int:
    """A number in [0, buckets) that is always the same for ``name``."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) % buckets


def _line(measurement: str, tags: Mapping[str, str], fields: Fields, ns: int) -> str:
    """One line; empty tags and fields that are None are left out, as the protocol knows neither."""
    key = measurement + "".join(f",{name}={_tag(value)}" for name, value in tags.items() if value)
    written = ",".join(f"{name}={_field(value)}" for name, value in fields.items() if value is not None)
    return f"{key} {written} {ns}"


@functools.lru_cache(maxsize=4096)
def _tag(value: str) -> str:
    """Line protocol cannot write a line break or a last backslash in a tag: they become a blank and a slash."""
    value = _CONTROL.sub(" ", value)
    if value.endswith("\\"):
        value = value[:-1] + "/"
    return value.translate(_TAG_ESCAPES)


def _field(value: Field) -> str:
    if isinstance(value, str):
        return '"' + _CONTROL.sub(" ", value[:LONGEST_TEXT]).translate(_TEXT_ESCAPES) + '"'
    return f"{value}i" if isinstance(value, int) else repr(value)
