"""Files of what devices said become events of patients; what changes later is corrected, and what waits is named."""

from __future__ import annotations

from pathlib import Path

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.devices import open_feed
from connectors.feeds.stream import Note, Said, TimedEvent
from tests.twin.devices.said import at, bound, retracted, word
from tests.twin.devices.test_words import written
from twin.events import ClinicalEnvelope, encode


def fed(folder: Path, *files: list[bytes]) -> list[Said]:
    paths = [folder / f"{number}.ndjson" for number in range(len(files))]
    for path, lines in zip(paths, files, strict=True):
        path.write_bytes(b"\n".join(lines))
    return list(open_feed(paths).said)


def events(said: list[Said]) -> list[tuple[str, str, str]]:
    told = [one.event for one in said if isinstance(one, TimedEvent)]
    return [(one.kind, one.patient_id, one.status) for one in told if isinstance(one, ClinicalEnvelope)]


def notes(said: list[Said]) -> list[str]:
    return [one.text for one in said if isinstance(one, Note)]


def test_a_later_file_moves_what_an_earlier_one_gave_to_the_wrong_patient(tmp_path: Path) -> None:
    mistaken = bound("A", 0)
    said = fed(tmp_path, [written(), encode(mistaken), b""], [encode(retracted(mistaken)), encode(bound("B", 0))])
    assert events(said) == [
        ("device_association", "A", "final"),
        ("pump_delivery", "A", "final"),
        ("device_association", "A", "retracted"),
        ("device_association", "B", "final"),
        ("pump_delivery", "A", "retracted"),
        ("pump_delivery", "B", "final"),
    ]
    assert notes(said) == []


def test_what_belongs_to_nobody_or_to_two_is_named(tmp_path: Path) -> None:
    assert notes(fed(tmp_path, [written()])) == [
        "pump-4: 1 left out, the device was bound to nobody then; send the 'device_association' that is right"
    ]
    (note,) = notes(fed(tmp_path, [written(), encode(bound("A", 0)), encode(bound("B", 0))]))
    assert "bound to A and B at once" in note


def test_a_bad_line_is_named_and_harms_no_other(tmp_path: Path) -> None:
    said = fed(tmp_path, [b"{", written(), encode(bound("A", 0))])
    bad = [one for one in said if isinstance(one, BadLine)]
    assert [(one.line, one.file) for one in bad] == [(1, tmp_path / "0.ndjson")]
    assert ("pump_delivery", "A", "final") in events(said)


def test_a_clock_that_is_put_right_is_told(tmp_path: Path) -> None:
    said = [word(f"w{m}", m, 4.0 + m, off=-90) for m in range(10)]
    lines = [one.model_dump_json(exclude_none=True).replace('"patient_id":"nobody",', "").encode() for one in said]
    found = fed(tmp_path, [encode(bound("A", -5)), *lines])
    assert notes(found) == ["pump-4: its clock was 5400 s behind, and is corrected (to 30 s)"]
    assert [one.event.time for one in found if isinstance(one, TimedEvent)][1:] == [at(m) for m in range(10)]
