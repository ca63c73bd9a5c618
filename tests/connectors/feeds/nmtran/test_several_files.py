"""One id in two files: refused, unless it was said to be one patient or two."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.feeds.nmtran.lines.records import NmtranError
from connectors.feeds.nmtran.reader import NmtranEvents
from connectors.feeds.nmtran.several_files import SameIds, read_files, same_ids
from tests.twin import toys
from twin.events import DoseGiven, DrugLevel, Enrolment, FollowUpBegun

BOLUS = toys.bolus()
A = "ID,TIME,EVID,AMT,DV\n1,0,1,100,.\n1,1,0,.,4.5\n2,0,1,100,.\n2,1,0,.,4.9\n"
B = "TIME,ID,DV,AMT,EVID\n0,1,.,100,1\n6,1,1.1,.,0\n0,2,.,100,1\n6,2,1.3,.,0\n"


def read(folder: Path, *texts: str, same: SameIds = "refuse") -> list[tuple[str, NmtranEvents]]:
    files = []
    for name, text in zip("abc", texts, strict=False):
        files.append(folder / f"study {name}.csv")
        files[-1].write_text(text)
    return read_files(files, BOLUS, None, None, same)


def test_one_id_in_two_files_is_refused_with_the_ids_and_both_ways_out(tmp_path: Path) -> None:
    said = "study b.csv both have ID 1, 2; say --join (join=True) if one id is one patient, or --prefix-ids"
    with pytest.raises(NmtranError, match=re.escape(said)):
        read(tmp_path, A, B)
    apart = read(tmp_path, A, B.replace(",1,", ",3,").replace(",2,", ",4,"))
    assert [sorted(reading.by_patient()) for _, reading in apart] == [["1", "2"], ["3", "4"]]


def test_prefixed_each_file_has_patients_of_its_own(tmp_path: Path) -> None:
    found = read(tmp_path, A, B, same="prefix")
    assert [sorted(reading.by_patient()) for _, reading in found] == [
        ["study_a-1", "study_a-2"],
        ["study_b-1", "study_b-2"],
    ]
    assert len({event.event_id for _, reading in found for event in reading.events}) == 16


def test_joined_an_id_is_one_patient_and_what_both_files_say_counts_once(tmp_path: Path) -> None:
    ((name, reading),) = read(tmp_path, A, B, same="join")
    assert (tmp_path / "study a.csv").name in name
    assert "facts that stand alike in more than one file count once (2x)" in reading.notes
    for events in reading.by_patient().values():
        assert [type(event) for event in events] == [Enrolment, FollowUpBegun, DoseGiven, DrugLevel, DrugLevel]
        places = [(reading.file_of[e.event_id].name, reading.line_of[e.event_id]) for e in events[2:]]
        assert [file for file, _ in places] == ["study a.csv", "study a.csv", "study b.csv"]


def test_joined_records_are_of_one_order_and_a_reset_in_one_file_ends_what_another_gives(tmp_path: Path) -> None:
    doses = "ID,TIME,EVID,AMT,II,ADDL\n1,0,1,100,24,3\n"
    resets = "ID,TIME,EVID,DV\n1,30,3,.\n1,30,0,0.5\n"
    ((_, reading),) = read(tmp_path, resets, doses, same="join")
    told = [(event.kind, event.sequence) for event in reading.events[2:]]
    assert told == [("dose_given", 1), ("dose_given", 0), ("state_reset", 1), ("drug_level", 2)]
    assert any("2 doses of ADDL still to come were cancelled by EVID 3 at line 2 of" in note for note in reading.notes)


def test_joined_files_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    ((_, reading),) = read(tmp_path, A, B.replace("0,1,.,100,1", "0,1,.,300,1"), same="join")
    (bad,) = reading.bad_lines
    said = "a dose of 300 mg, and 100 mg at the same time in line 2 of .*study a.csv; correct one of them"
    assert re.match(said, bad.reason)
    assert bad.file is not None
    assert (bad.file.name, bad.line, bad.patient) == ("study b.csv", 2, "1")
    with pytest.raises(NmtranError, match=r"TIME is a clock time in one of .* and elapsed in the other"):
        read(tmp_path, A, "ID,TIME,DV\n1,8:30,4\n", same="join")


def test_files_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(A)
    with pytest.raises(NmtranError, match=r"a\.csv is named twice"):
        read_files([file, file], BOLUS)
    (tmp_path / "more").mkdir()
    other = tmp_path / "more" / "a.csv"
    other.write_text(B)
    with pytest.raises(NmtranError, match=r"a\.csv has no name of its own to begin ids with; rename it"):
        read_files([file, other], BOLUS, same="prefix")


def test_two_switches_that_exclude_each_other_are_refused() -> None:
    assert same_ids(join=True, prefix_ids=False) == "join"
    assert same_ids(join=False, prefix_ids=True) == "prefix"
    assert same_ids(join=False, prefix_ids=False) == "refuse"
    with pytest.raises(NmtranError, match="exclude each other; keep one"):
        same_ids(join=True, prefix_ids=True)
