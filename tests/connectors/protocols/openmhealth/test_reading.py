"""Data points of wearables: readings of an instant, steps of an interval, in the schema's own units."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.facts.fact import Fact, Found, Passed, Refusal, Subject
from connectors.protocols.openmhealth.reading import MEASURES, read_point
from tests.connectors.facts import sources
from tests.connectors.protocols import spoken
from tests.connectors.protocols.spoken import point
from twin.events import Quantity

SOMEONE = Subject("someone", "login")
MORNING = {"time_interval": {"part_of_day": "morning"}}
BACKWARDS = {"time_interval": {"start_date_time": "2026-03-02T08:00:00Z", "duration": {"value": -1, "unit": "min"}}}
INTERVAL = {"time_interval": {"start_date_time": "2026-03-02T08:00:00Z", "end_date_time": "2026-03-02T09:00:00Z"}}


def read(said: Any, subject: Subject | None = SOMEONE, **changes: Any) -> list[Found]:
    raw = said if isinstance(said, bytes) else spoken.raw(said)
    return list(read_point(raw, sources.profile("openmhealth", **changes), subject))


def fact(said: Any) -> Fact:
    (found,) = read(said)
    assert isinstance(found, Fact), found
    return found


def reasons(said: Any) -> list[str]:
    found = read(said)
    assert not [one for one in found if isinstance(one, Fact)]
    return [one.reason for one in found if isinstance(one, Refusal)]


@pytest.mark.parametrize(
    ("member", "value", "unit", "channel", "ucum"),
    [
        ("heart_rate", 71, "beats/min", "heart_rate", "/min"),
        ("body_temperature", 36.9, "C", "body_temperature", "Cel"),
        ("body_temperature", 98.4, "F", "body_temperature", "[degF]"),
        ("oxygen_saturation", 97, "%", "spo2", "%"),
        ("systolic_blood_pressure", 121, "mmHg", "systolic_bp", "mm[Hg]"),
        ("diastolic_blood_pressure", 79, "mmHg", "diastolic_bp", "mm[Hg]"),
        ("respiratory_rate", 14, "breaths/min", "respiratory_rate", "/min"),
    ],
)
def test_a_reading_has_the_units_of_its_schema(member: str, value: float, unit: str, channel: str, ucum: str) -> None:
    found = fact(point(member, value, unit))
    assert found.kind == "vital_sample"
    assert dict(found.fields) == {"channel": channel, "value": Quantity(value=value, unit=ucum), "device_id": "band-3"}
    assert found.moment is not None
    assert found.moment.at.isoformat() == "2026-03-02T09:00:00+01:00"
    assert spoken.NAME not in repr(found)


def test_the_table_is_of_channels_that_events_have() -> None:
    assert {measure.channel for measure in MEASURES} == {
        "heart_rate", "body_temperature", "spo2", "systolic_bp", "diastolic_bp", "respiratory_rate", "steps",
        "weight", "height",
    }  # fmt: skip


def test_a_weight_is_a_characteristic_under_the_name_of_the_wards_models() -> None:
    (found,) = read(point("body_weight", 180, "lb"), names={"weight": "WT"})
    assert isinstance(found, Fact)
    assert (found.kind, found.fields) == ("covariate", {"name": "WT", "value": Quantity(value=180.0, unit="[lb_av]")})
    scale = fact(point("body_weight", 80, "kg"))
    assert (scale.kind, scale.fields["channel"]) == ("vital_sample", "body_weight")


def test_the_first_version_of_steps_is_a_bare_number() -> None:
    said = point("step_count", 900, "steps", effective_time_frame=INTERVAL)
    said["body"]["step_count"] = 900
    assert fact(said).fields["value"] == Quantity(value=900.0, unit="{steps}")
    said["body"]["step_count"] = True
    assert isinstance(read(said)[0], Passed)


def test_steps_are_of_the_end_of_their_interval() -> None:
    found = fact(point("step_count", 900, "steps", effective_time_frame=INTERVAL))
    assert found.moment is not None
    assert found.moment.at.hour == 9
    length = {"start_date_time": "2026-03-02T08:00:00Z", "duration": {"value": 90, "unit": "min"}}
    found = fact(point("step_count", 900, "steps", effective_time_frame={"time_interval": length}))
    assert found.moment is not None
    assert (found.moment.at.hour, found.moment.at.minute) == (9, 30)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (point(effective_time_frame=INTERVAL), "not_a_reading"),
        (point(descriptive_statistic="minimum"), "not_a_reading"),
        (point(descriptive_statistic_denominator="d"), "not_a_reading"),
        (point(effective_time_frame=None), "no_time"),
        (point(effective_time_frame={}), "no_time"),
        (point(effective_time_frame={"date_time": "2026-03-02T25:00:00Z"}), "malformed"),
        (point("step_count", 900, "steps"), "incomplete"),
        (point("step_count", 9, "steps", effective_time_frame={"time_interval": {}}), "no_time"),
        (point("step_count", 9, "steps", effective_time_frame=MORNING), "time_too_coarse"),
        (point("step_count", 9, "steps", effective_time_frame=BACKWARDS), "incomplete"),
        (point(unit="bpm"), "unknown_unit"),
        (point("oxygen_saturation", 97, "1"), "unknown_unit"),
        (point(value="71"), "incomplete"),
        (point(value=True), "incomplete"),
        (point(value=7100), "out_of_range"),
        (b"{", "malformed"),
        (b"[]", "malformed"),
        (b"\xff", "malformed"),
        (b'{"\xe4": 1}', "charset"),
        (b"[" * 5000, "malformed"),
    ],
)  # fmt: skip
def test_what_is_no_reading_is_refused(said: Any, reason: str) -> None:
    assert reasons(said) == [reason]


def test_both_pressures_of_a_cuff_are_one_reading() -> None:
    both = point("systolic_blood_pressure", 121, "mmHg", diastolic_blood_pressure={"value": 79, "unit": "mmHg"})
    first, second = read(both)
    assert isinstance(first, Fact)
    assert isinstance(second, Fact)
    assert first.key[:-1] == second.key[:-1]
    assert first.key != second.key
    half = point("systolic_blood_pressure", 121, "mmH", diastolic_blood_pressure={"value": 79, "unit": "mmHg"})
    assert reasons(half) == ["unknown_unit"]


def test_whose_it_is_must_be_said_from_outside() -> None:
    (found,) = read(point(), None)
    assert isinstance(found, Refusal)
    assert found.reason == "no_patient"


def test_a_point_is_the_same_by_its_uuid_and_without_one_by_its_time() -> None:
    assert fact(point()).key == fact(point(value=72)).key
    other = point()
    other["header"]["uuid"] = "u-2"
    assert fact(other).key != fact(point()).key
    bare = {"body": point()["body"]}
    later = {"body": point(effective_time_frame={"date_time": "2026-03-02T09:01:00+01:00"})["body"]}
    assert fact(bare["body"]).key == fact(bare).key
    assert fact(later).key != fact(bare).key


def test_what_a_person_reports_is_told_apart_from_what_a_sensor_read() -> None:
    said = point()
    assert fact(said).manner == ""
    said["header"]["modality"] = "self-reported"
    assert fact(said).manner == "self-reported"
    del said["header"]["modality"]
    said["header"]["acquisition_provenance"]["modality"] = "self_reported"
    assert fact(said).manner == "self-reported"


def test_a_schema_that_is_not_read_is_passed_over() -> None:
    (found,) = read(point("sleep_duration", 7, "h"))
    assert isinstance(found, Passed)


def test_a_date_is_coarse_and_a_profile_adds_units() -> None:
    found = fact(point(effective_time_frame={"date_time": "2026-03-02"}))
    assert found.moment is not None
    assert found.moment.resolution == "day"
    (own,) = read(point(unit="bpm"), units={"bpm": "/min"})
    assert isinstance(own, Fact)
