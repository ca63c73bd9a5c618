"""Fitbit's export: of each series one kind of file, times with a zone, and nothing that is no reading."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from connectors.facts.profile import PatientSettings
from connectors.feeds.bad_lines import BadLine
from connectors.feeds.fitbit import open_feed
from connectors.feeds.stream import Note, Said, TimedEvent
from tests.connectors.facts.sources import KEY

NAME = "Geheimnis"
PULSES = "timestamp,beats per minute,data source\n2026-03-02T08:00:00Z,71.0,Watch\n2026-03-02T08:00:05Z,,Watch\n"
OLD_PULSES = [
    {"dateTime": "03/02/26 09:00:00", "value": {"bpm": 70, "confidence": 3}},
    {"dateTime": "03/02/26 09:00:05", "value": {"bpm": 90, "confidence": 0}},
]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PatientSettings.variable("key"), KEY.decode())


def export(tmp_path: Path, files: dict[str, Any]) -> Path:
    folder = tmp_path / "Takeout" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text if isinstance(text, str) else json.dumps(text))
    return tmp_path / "Takeout"


def said(path: Path, **options: Any) -> list[Said]:
    found = list(open_feed(path, patient="P-1", **options).said)
    assert NAME not in repr(found)
    return found


def events(found: list[Said]) -> list[Any]:
    return [one.event for one in found if isinstance(one, TimedEvent)]


def reasons(found: list[Said]) -> list[str]:
    return [one.reason.partition(":")[0] for one in found if isinstance(one, BadLine)]


def notes(found: list[Said]) -> list[str]:
    return [one.text for one in found if isinstance(one, Note)]


@pytest.mark.parametrize(
    ("name", "text", "channel", "value", "unit", "minute"),
    [
        ("heart_rate_2026-03-02.csv", PULSES, "heart_rate", 71.0, "/min", 0),
        ("Minute SpO2 - 2026-03-02.csv", "timestamp,value\n2026-03-02T08:00:00Z,96.5\n", "spo2", 96.5, "%", 0),
        (
            "oxygen_saturation_2026-03-02.csv",
            "timestamp,oxygen saturation percentage,data source\n2026-03-02T08:00:00Z,95,Watch\n",
            "spo2", 95.0, "%", 0,
        ),
        (
            "core_body_temperature_2026-03-02.csv",
            "timestamp,temperature celsius,data source\n2026-03-02T08:00:00Z,38.1,X\n",
            "body_temperature", 38.1, "Cel", 0,
        ),
        ("steps_2026-03-02.csv", "timestamp,steps\n2026-03-02T08:00:00Z,12\n", "steps", 12.0, "{steps}", 1),
    ],
)  # fmt: skip
def test_a_line_is_a_reading(
    tmp_path: Path, name: str, text: str, channel: str, value: float, unit: str, minute: int
) -> None:
    (event,) = events(said(export(tmp_path, {name: text})))
    assert (event.channel, event.value.value, event.value.unit) == (channel, value, unit)
    assert (event.time.hour, event.time.minute) == (8, minute)
    assert event.device_id.startswith("fitbit-")


def test_a_line_without_its_number_is_left_out_and_harms_no_other(tmp_path: Path) -> None:
    assert reasons(said(export(tmp_path, {"heart_rate_2026-03-02.csv": PULSES}))) == ["incomplete"]


def test_of_a_series_one_kind_of_file_is_read(tmp_path: Path) -> None:
    path = export(tmp_path, {"heart_rate_2026-03-02.csv": PULSES, "heart_rate-2026-03-02.json": OLD_PULSES})
    found = said(path)
    assert [event.value.value for event in events(found)] == [71.0]
    assert notes(found) == ["1 passed over: a file of heart_rate that another kind of file has too"]


def test_times_of_the_wall_need_their_zone(tmp_path: Path) -> None:
    path = export(tmp_path, {"heart_rate-2026-03-02.json": OLD_PULSES, "steps-2026-03-01.json": [
        {"dateTime": "03/02/26 09:00:00", "value": "12"}, {"dateTime": "10/25/26 02:30:00", "value": "12"},
    ]})  # fmt: skip
    assert reasons(said(path)) == ["time_without_zone", "time_without_zone"]
    found = said(path, zone="Europe/Berlin")
    assert [(event.channel, event.time.hour, event.time.minute) for event in events(found)] == [
        ("heart_rate", 8, 0), ("steps", 8, 1),
    ]  # fmt: skip
    assert reasons(found) == ["time_without_zone"]
    assert notes(found) == ["1 passed over: a pulse without confidence"]
    with pytest.raises(ValueError, match="--zone"):
        said(path, zone="Berlin")


def test_a_weight_has_the_unit_that_it_is_told_in(tmp_path: Path) -> None:
    old = {"weight-2026-03-01.json": [{"logId": 1, "weight": 180.2, "date": "03/02/26", "time": "07:00:00"}]}
    path = export(tmp_path, old)
    assert reasons(said(path, zone="UTC", weight="WT")) == ["no_unit"]
    (event,) = events(said(path, zone="UTC", weight="WT", weight_unit="[lb_av]"))
    assert (event.name, event.value.unit, event.time.hour) == ("WT", "[lb_av]", 7)
    new = export(tmp_path, {"weight.csv": "timestamp,weight grams,data source\n2026-03-02T07:00:00Z,80000,S\n"})
    (event,) = events(said(new, weight="WT"))
    assert (event.value.value, event.value.unit) == (80000.0, "g")


def test_what_is_no_reading_is_counted(tmp_path: Path) -> None:
    found = said(export(tmp_path, {
        "Minute SpO2 - 2026-03-02.csv": "timestamp,value\n2026-03-02T08:00:00Z,50.0\n",
        "body_temperature_2026-03-02.csv": "timestamp,temperature celsius\n2026-03-02T08:00:00Z,33\n",
        "daily_resting_heart_rate.csv": PULSES,
    }))  # fmt: skip
    assert (events(found), reasons(found), notes(found)) == ([], [], ["1 passed over: no reading (50 %)"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("heart_rate_2026-03-02.csv", "time,bpm\n1,2\n"),
        ("heart_rate-2026-03-02.json", "{}"),
        ("heart_rate-2026-03-02.json", "[" * 5000),
        ("steps-2026-03-02.json", "[1]"),
        ("heart_rate_2026-03-02.csv", 'timestamp,beats per minute\n"' + "x" * 200_000),
    ],
)
def test_a_file_that_is_none_is_one_refusal(tmp_path: Path, name: str, text: str) -> None:
    found = said(export(tmp_path, {name: text}), zone="UTC")
    assert events(found) == []
    assert reasons(found) in (["malformed"], ["incomplete"])


def test_an_archive_is_read_like_its_folder(tmp_path: Path) -> None:
    folder = export(tmp_path, {"heart_rate_2026-03-02.csv": PULSES})
    packed = tmp_path / "takeout.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in folder.rglob("*.csv"):
            archive.write(path, path.relative_to(tmp_path))
    assert events(said(packed)) == events(said(folder))
    with pytest.raises(ValueError, match="no file of Fitbit"):
        said(export(tmp_path / "other", {"x.txt": ""}))
