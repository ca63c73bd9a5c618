"""What a data point says (openmhealth.org schemas; IEEE 1752.1-2021): readings of an instant, and steps of an interval.

A statistic of an interval is no reading. Units are those of the schema, whose letters are not UCUM (``F`` is no
farad). A cuff's two pressures are one reading: where one cannot be used, neither is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from connectors.facts.fact import Fact, Found, Moment, NotAFact, Passed, Refusal, Subject, shown
from connectors.facts.moments import later
from connectors.facts.profile import Profile
from connectors.facts.units_of_sources import quantity
from connectors.protocols.items import decoded


class Measure(NamedTuple):
    """A body's member, the channel that it is, and the schema's units in UCUM."""

    member: str
    channel: str
    units: dict[str, str]


MEASURES = (
    Measure("heart_rate", "heart_rate", {"beats/min": "/min"}),
    Measure("body_temperature", "body_temperature", {"C": "Cel", "F": "[degF]"}),
    Measure("oxygen_saturation", "spo2", {"%": "%"}),
    Measure("systolic_blood_pressure", "systolic_bp", {"mmHg": "mm[Hg]"}),
    Measure("diastolic_blood_pressure", "diastolic_bp", {"mmHg": "mm[Hg]"}),
    Measure("respiratory_rate", "respiratory_rate", {"breaths/min": "/min"}),
    Measure("step_count", "steps", {"steps": "{steps}"}),
    Measure("body_weight", "weight", {"kg": "kg", "g": "g", "lb": "[lb_av]"}),
    Measure("body_height", "height", {"cm": "cm", "m": "m", "in": "[in_i]", "ft": "[ft_i]"}),
)


def read_point(
    raw: bytes, profile: Profile, subject: Subject | None, *, device: str = "", place: str = "body"
) -> Iterator[Found]:
    """The readings of a data point.

    Args:
        raw: its JSON: header and body, or a body alone.
        profile: of its source.
        subject: whose it is, which the point itself does not say.
        device: that read it, where whoever brings the point knows.
        place: where it stands.
    """
    try:
        said = decoded(raw)
        if not isinstance(said, dict):
            raise NotAFact("malformed", "a data point is an object")
        body = said["body"] if isinstance(said.get("body"), dict) else said
        header = said["header"] if isinstance(said.get("header"), dict) else {}
        if _is_number(body.get("step_count")):  # version 1 of the schema has the bare number
            body = body | {"step_count": {"value": body["step_count"], "unit": "steps"}}
        given = [measure for measure in MEASURES if isinstance(body.get(measure.member), dict)]
        if not given:
            yield Passed(place, "a schema that no twin reads")
            return
        if any(name.startswith("descriptive_statistic") for name in body):
            raise NotAFact("not_a_reading", "a statistic ('descriptive_statistic') is no reading")
        if subject is None:
            raise NotAFact("no_patient", "whose it is stands in no data point: the login or the topic must say")
        name = device or _text(header.get("acquisition_provenance"), "source_name") or profile.source
        found = [_fact(measure, body, header, subject, name[:64], place, profile) for measure in given]
    except NotAFact as error:
        yield Refusal(place, error.reason, error.detail)
    else:
        yield from found


def _fact(
    measure: Measure,
    body: dict[str, Any],
    header: dict[str, Any],
    subject: Subject,
    device: str,
    place: str,
    profile: Profile,
) -> Fact:
    said = body[measure.member]
    number, text = said.get("value"), said.get("unit")
    if not _is_number(number):
        raise NotAFact("incomplete", f"field '{measure.member}.value': no number")
    units = {**measure.units, **profile.means}
    if not isinstance(text, str) or text not in units:
        known = ", ".join(measure.units)
        raise NotAFact("unknown_unit", f"field '{measure.member}.unit' {shown(str(text))}: the schema has {known}")
    measured = profile.codes.of(measure.channel)
    value = quantity(float(number), text, measured.unit, means=units, low=measured.low, high=measured.high)
    time = _time(body.get("effective_time_frame"), interval=measure.channel == "steps")
    uuid = header.get("uuid") or header.get("id")
    identity = (str(uuid),) if uuid else (subject.authority, subject.id, device, time.at.isoformat())
    fields: dict[str, object] = {"channel": measure.channel, "value": value, "device_id": device}
    kind = measured.kind
    if measure.channel == "weight" and "weight" not in (profile.names or {}):
        kind, fields = "vital_sample", fields | {"channel": "body_weight"}  # of a scale, where no model has it by name
    elif kind == "covariate":
        fields = {"name": profile.named(measure.channel), "value": value}
    key = ("openmhealth", *identity, measure.channel)
    return Fact(key, kind, fields, subject, time, place, manner=_manner(header))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _manner(header: dict[str, Any]) -> str:
    """``self-reported`` where a person says so and no sensor (IEEE 1752.1; older headers within the provenance)."""
    said = _text(header, "modality") or _text(header.get("acquisition_provenance"), "modality")
    return "self-reported" if said in ("self-reported", "self_reported") else ""


def _time(frame: object, *, interval: bool) -> Moment:
    """The instant, or of a count the end of its interval.

    Raises:
        NotAFact: ``no_time``, ``not_a_reading`` of an interval of anything else, ``time_without_zone``, ``malformed``.
    """
    if not isinstance(frame, dict):
        raise NotAFact("no_time", "field 'effective_time_frame' is missing")
    within = frame.get("time_interval")
    if isinstance(within, dict):
        if not interval:
            raise NotAFact("not_a_reading", "a value of an interval is no reading of an instant")
        return _end(within)
    if interval:
        raise NotAFact("incomplete", "a count needs its 'time_interval'")
    return _moment(frame.get("date_time"), "date_time")


_HOURS = {"sec": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0, "wk": 168.0}


def _end(within: dict[str, Any]) -> Moment:
    """The end of an interval, which it tells, or its start and length."""
    if "part_of_day" in within:
        raise NotAFact("time_too_coarse", "a part of a day is no interval; send its start and end")
    length = within.get("duration")
    if "end_date_time" in within or not isinstance(length, dict):
        return _moment(within.get("end_date_time"), "time_interval.end_date_time")
    start = _moment(within.get("start_date_time"), "time_interval.start_date_time")
    number, unit = length.get("value"), length.get("unit")
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 1e6 or unit not in _HOURS:
        raise NotAFact("incomplete", f"field 'time_interval.duration': a number of {', '.join(_HOURS)}")
    return later(start, timedelta(hours=number * _HOURS[unit]))


def _moment(text: object, field: str) -> Moment:
    if not isinstance(text, str):
        raise NotAFact("no_time", f"field 'effective_time_frame.{field}' is missing")
    try:
        return Moment(datetime.fromisoformat(text), "instant" if "T" in text else "day")
    except ValueError:
        raise NotAFact("malformed", f"field 'effective_time_frame.{field}': no time of ISO 8601") from None


def _text(value: object, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    return found.strip() if isinstance(found, str) else ""
