"""Exports of phones: opened within bounds, with nobody's name in what leaves them."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.facts.fact import NotAFact
from connectors.facts.profile import PatientSettings
from connectors.feeds.exports import MOST_TIMES, Part, opened, wearer
from tests.connectors.facts.sources import KEY

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PatientSettings.variable("key"), KEY.decode())


def archive(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as said:
        for name, text in files.items():
            said.writestr(f"Eva Geheimnis/{name}", text)
    return path


def content(part: Part) -> bytes:
    with part.open() as stream:
        return stream.read()


def test_a_folder_an_archive_and_a_file_have_the_same_parts(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    (folder / "Eva Geheimnis").mkdir(parents=True)
    (folder / "Eva Geheimnis" / "a").write_bytes(b"one")
    (folder / "Eva Geheimnis" / "b").write_bytes(b"two")
    (folder / "link").symlink_to(folder / "Eva Geheimnis" / "a")
    for export in (folder, archive(tmp_path / "x.zip", a=b"one", b=b"two")):
        with opened(export) as parts:
            assert [(part.name, content(part)) for part in parts] == [("a", b"one"), ("b", b"two")]
    with opened(folder / "Eva Geheimnis" / "a") as (part,):
        assert part.name == "a"


def test_what_would_fill_the_memory_or_is_no_archive_is_refused(tmp_path: Path) -> None:
    bomb = archive(tmp_path / "bomb.zip", a=bytes(4 << 20))
    with pytest.raises(ValueError, match=f"{MOST_TIMES} times"), opened(bomb):
        pass
    raw = bytearray(archive(tmp_path / "x.zip", a=b"one").read_bytes())
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        raw[raw.index(mark) + (6 if mark.endswith(b"\x04") else 8)] |= 1
    locked = tmp_path / "locked.zip"
    locked.write_bytes(raw)
    with pytest.raises(ValueError, match="encrypted"), opened(locked):
        pass
    broken = io.BytesIO(archive(tmp_path / "y.zip", a=b"x" * 50).read_bytes()).getvalue()
    torn = tmp_path / "torn.zip"
    torn.write_bytes(broken.replace(b"PK\x03\x04", b"PK\x03\x05"))
    with pytest.raises(ValueError, match="export it again"), opened(torn) as parts:
        parts[0].open()


def test_a_reading_is_the_same_event_in_a_later_export_and_another_of_another_device() -> None:
    person = wearer("P-1", "apple-health", "WT")
    phone, watch = (person.device(model, "Eva's") for model in ("iPhone12,1", "Watch6,2"))
    told = [person.told("heart_rate", 71.0, "/min", NOON, device) for device in (phone, phone, watch)]
    ids = [one.event.event_id for one in told]
    assert ids[0] == ids[1] != ids[2]
    assert phone.startswith("iPhone12,1-")
    assert "Eva" not in phone
    assert wearer("P-1", "apple-health", "").device("", "x" * 99).startswith("device-")


def test_a_weight_is_a_characteristic_for_models_that_have_one_and_else_a_reading() -> None:
    told = wearer("P-1", "fitbit", "").told("weight", 80.0, "kg", NOON, "d")
    assert told.event.model_dump()["channel"] == "body_weight"
    told = wearer("P-1", "fitbit", "WT").told("weight", 80.0, "kg", NOON, "d", by_hand=True)
    assert (told.event.model_dump()["name"], told.event.source) == ("WT", "fitbit/self-reported")
    with pytest.raises(NotAFact, match="out_of_range"):
        wearer("P-1", "fitbit", "WT").told("weight", 80.0, "g", NOON, "d")


def test_a_name_and_a_missing_secret_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="--patient"):
        wearer("Eva Geheimnis", "fitbit", "")
    monkeypatch.delenv(PatientSettings.variable("key"))
    with pytest.raises(ValueError, match="DOSETWIN_PATIENT_KEY"):
        wearer("P-1", "fitbit", "")
