"""Apple Health's export: readings with their device, unit and time, whatever its size and whoever wrote it."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from connectors.facts.profile import PatientSettings
from connectors.feeds.apple_health import open_feed
from connectors.feeds.bad_lines import BadLine
from connectors.feeds.stream import Note, Said, TimedEvent
from tests.connectors.facts.sources import KEY

NAME = "Geheimnis"
TYPE = "<!DOCTYPE HealthData [\n<!ELEMENT HealthData (Record*)>\n<!ATTLIST Record\n  broken\n>\n]>\n"
WATCH = "&lt;&lt;HKDevice: 0x28&gt;, name:Apple Watch, model:Watch, hardware:Watch6,2, software:9.1&gt;"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PatientSettings.variable("key"), KEY.decode())


def record(type_: str, value: object, unit: str, inside: str = "", **said: str) -> str:
    """A record of the export."""
    given = {"sourceName": f"{NAME}’s Watch", "device": WATCH, "startDate": "2026-03-02 09:00:00 +0100"} | said
    given.setdefault("endDate", given["startDate"])
    attributes = " ".join(f'{name}="{text}"' for name, text in given.items())
    return (
        f'<Record type="HKQuantityTypeIdentifier{type_}" unit="{unit}" value="{value}" {attributes}>{inside}</Record>\n'
    )


def export(tmp_path: Path, *records: str, head: str = TYPE) -> Path:
    path = tmp_path / "export.xml"
    me = f'<Me HKCharacteristicTypeIdentifierDateOfBirth="1970-01-01" note="{NAME}"/>\n'
    body = f'<HealthData locale="de_DE">\n{me}{"".join(records)}</HealthData>\n'
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{body}'
    path.write_text(text, encoding="utf-8")
    return path


def said(path: Path, **options: Any) -> list[Said]:
    found = list(open_feed(path, patient="P-1", **options).said)
    assert NAME not in repr(found)
    return found


def events(found: list[Said]) -> list[Any]:
    return [one.event for one in found if isinstance(one, TimedEvent)]


def reasons(found: list[Said]) -> list[str]:
    return [one.reason.partition(":")[0] for one in found if isinstance(one, BadLine)]


@pytest.mark.parametrize(
    ("type_", "value", "unit", "channel", "read"),
    [
        ("HeartRate", 71, "count/min", "heart_rate", (71.0, "/min")),
        ("BodyTemperature", 98.6, "degF", "body_temperature", (98.6, "[degF]")),
        ("BodyTemperature", 37, "degC", "body_temperature", (37.0, "Cel")),
        ("OxygenSaturation", 0.57, "%", "spo2", (57.0, "%")),
        ("RespiratoryRate", 14.5, "count/min", "respiratory_rate", (14.5, "/min")),
        ("StepCount", 900, "count", "steps", (900.0, "{steps}")),
    ],
)
def test_a_record_is_a_reading_in_ucum(
    tmp_path: Path, type_: str, value: float, unit: str, channel: str, read: tuple[float, str]
) -> None:
    (event,) = events(said(export(tmp_path, record(type_, value, unit))))
    assert (event.channel, (event.value.value, event.value.unit)) == (channel, read)
    assert event.time.isoformat() == "2026-03-02T09:00:00+01:00"
    assert event.device_id.startswith("Watch6,2-")


def test_an_archive_is_read_like_the_file_in_it(tmp_path: Path) -> None:
    path = export(tmp_path, record("HeartRate", 71, "count/min"))
    packed = tmp_path / "export.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, f"apple_health_export/{path.name}")
        archive.writestr("apple_health_export/export_cda.xml", "<ClinicalDocument/>")
    assert events(said(packed)) == events(said(path))


def test_steps_are_of_the_end_of_their_interval_and_other_intervals_are_averages(tmp_path: Path) -> None:
    hour = {"startDate": "2026-03-02 09:00:00 +0100", "endDate": "2026-03-02 10:00:00 +0100"}
    found = said(
        export(tmp_path, record("StepCount", 900, "count", **hour), record("HeartRate", 71, "count/min", **hour))
    )
    (steps,) = events(found)
    assert steps.time.hour == 10
    assert [one.text for one in found if isinstance(one, Note)] == ["1 passed over: an average of an interval"]


def cuff(*records: str) -> str:
    kind = "HKCorrelationTypeIdentifierBloodPressure"
    return f'<Correlation type="{kind}" sourceName="{NAME}">{"".join(records)}</Correlation>\n'


def test_both_pressures_of_a_cuff_are_one_reading(tmp_path: Path) -> None:
    systolic, diastolic = (
        record(f"BloodPressure{name}", value, "mmHg") for name, value in (("Systolic", 120), ("Diastolic", 80))
    )
    found = said(export(tmp_path, systolic, diastolic, cuff(systolic, diastolic)))
    assert [(event.channel, event.value.value) for event in events(found)] == [
        ("systolic_bp", 120.0),
        ("diastolic_bp", 80.0),
    ]
    half = said(export(tmp_path, cuff(systolic, record("BloodPressureDiastolic", 80, "furlong"))))
    assert (events(half), reasons(half)) == ([], ["unknown_unit"])
    twice = said(export(tmp_path, cuff(systolic, systolic)))
    assert (events(twice), reasons(twice)) == ([], ["incomplete"])


def test_what_a_person_typed_is_less_to_be_trusted(tmp_path: Path) -> None:
    typed = record("BodyTemperature", 38.5, "degC", '<MetadataEntry key="HKWasUserEntered" value="1"/>')
    found = events(said(export(tmp_path, typed, record("HeartRate", 71, "count/min"))))
    assert [event.source for event in found] == ["apple-health/self-reported", "apple-health"]


def test_phone_and_watch_are_two_devices(tmp_path: Path) -> None:
    steps = [
        record("StepCount", 900, "count", device=WATCH.replace("Watch6,2", model))
        for model in ("Watch6,2", "iPhone12,1")
    ]
    devices = {event.device_id for event in events(said(export(tmp_path, *steps)))}
    assert len(devices) == 2


def test_a_weight_is_told_under_the_name_that_models_have(tmp_path: Path) -> None:
    path = export(tmp_path, record("BodyMass", 180, "lb"))
    (reading,) = events(said(path))
    assert reading.channel == "body_weight"
    (event,) = events(said(path, weight="WT"))
    assert (event.name, event.value.unit) == ("WT", "[lb_av]")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unit": "count/s"}, "unknown_unit"),
        ({"value": "fast"}, "incomplete"),
        ({"value": 7000}, "out_of_range"),
        ({"startDate": "2026-03-02 09:00:00"}, "time_without_zone"),
        ({"startDate": "yesterday"}, "malformed"),
        ({"endDate": "2026-03-02 08:00:00 +0100"}, "contradictory"),
    ],
)
def test_what_cannot_be_used_is_left_out_with_its_reason(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    given = {"value": 71, "unit": "count/min"} | change
    found = said(export(tmp_path, record("HeartRate", **given), record("HeartRate", 72, "count/min")))
    assert reasons(found) == [reason]
    assert [event.value.value for event in events(found)] == [72.0]


def test_a_fraction_above_one_is_no_saturation(tmp_path: Path) -> None:
    assert reasons(said(export(tmp_path, record("OxygenSaturation", 97, "%")))) == ["out_of_range"]


@pytest.mark.parametrize(
    ("head", "records", "text"),
    [
        ('<!DOCTYPE HealthData [<!ENTITY a "aaaa">]>\n', "", "entities"),
        ("<!DOCTYPE HealthData [", "", "no end"),
        (TYPE, "<a>" * 40 + "</a>" * 40, "deep"),
        (TYPE, f'<a b="{"x" * 3_000_000}"/>', "a tag of more"),
    ],
)
def test_what_would_fill_the_memory_is_no_export(tmp_path: Path, head: str, records: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        said(export(tmp_path, records, head=head))


def test_a_file_that_breaks_off_gives_what_stands_before(tmp_path: Path) -> None:
    path = export(tmp_path, record("HeartRate", 71, "count/min"), "<Record")
    found = said(path)
    assert len(events(found)) == 1
    assert len(reasons(found)) == 1
    other = tmp_path / "other.xml"
    other.write_text("<Workout/>")
    with pytest.raises(ValueError, match="no export of Apple Health"):
        said(other)


def test_the_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    one = record("DistanceWalkingRunning", 1.2, "km")
    path = export(tmp_path, one * (4_000_000 // len(one)))
    stream = open_feed(path, patient="P-1").said
    tracemalloc.start()
    try:
        assert sum(isinstance(each, TimedEvent) for each in stream) == 0
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
