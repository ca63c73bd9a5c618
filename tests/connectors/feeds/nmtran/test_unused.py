"""What a record holds and nobody uses is told or refused."""

from __future__ import annotations

import pytest

from connectors.feeds.nmtran.reader import NmtranEvents, read_nmtran
from connectors.feeds.nmtran.unused import listed
from twin.events import DoseGiven
from twin.modelfile.library import load_model

MODEL = load_model("docetaxel_ozawa2007")


def read(header: str, *rows: str) -> NmtranEvents:
    return read_nmtran([header, *rows], MODEL, output="docetaxel")


def test_a_value_on_a_dose_record_is_noted_with_its_line_and_patient() -> None:
    reading = read("ID,TIME,AMT,DV", "1,0,100,.", "1,1,100,3.5", "2,5,100,3", "2,6,100,0", "2,7,.,2")
    assert reading.notes == ("DV on dose records was not used (2x): lines 3, 4",)
    assert [(bad.line, bad.patient, bad.what) for bad in reading.unused] == [(3, "1", "value"), (4, "2", "value")]
    assert sum(isinstance(event, DoseGiven) for event in reading.events) == 4


def test_values_that_mdv_or_the_kind_of_record_hides_are_noted_and_zeros_are_not() -> None:
    reading = read("ID,TIME,EVID,MDV,DV", "1,0,0,1,3.5", "1,0,0,1,0", "1,1,2,1,4", "1,2,2,1,.")
    assert reading.notes == (
        "DV beside EVID 2 was not used (1x): line 4",
        "DV with MDV 1 was not used (1x): line 2",
    )


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("1,0,2,50,.,.", "a record of covariates (EVID 2) with AMT 50; a dose needs EVID 1, else leave AMT out"),
        ("1,0,3,70,.,.", "a reset (EVID 3) with AMT 70; a dose needs EVID 4, else leave AMT out"),
        ("1,0,0,70,.,1", "an observation (EVID 0) with AMT 70; a dose needs EVID 1, else leave AMT out"),
        ("1,0,0,70,4,.", "an observation (EVID 0) with AMT 70; a dose needs EVID 1, else leave AMT out"),
    ],
)
def test_an_amount_that_nobody_gets_is_refused(row: str, says: str) -> None:
    reading = read("ID,TIME,EVID,AMT,DV,MDV", row, "1,1,1,10,.,.", "1,2,2,0,.,.")
    assert [bad.reason for bad in reading.bad_lines] == [says]
    assert reading.bad_lines[0].patient == "1"


def test_many_lines_are_listed_in_part() -> None:
    assert listed(list(range(1, 15)), "line") == "lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 2 more"
