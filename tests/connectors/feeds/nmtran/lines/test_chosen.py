"""Which records of a file are read."""

from __future__ import annotations

import doctest

import pytest

from connectors.feeds.nmtran.lines import chosen
from connectors.feeds.nmtran.lines.chosen import ChoiceError, conditions
from connectors.feeds.nmtran.lines.records import NmtranError
from connectors.feeds.nmtran.reader import read_nmtran
from twin.modelfile.library import load_model

LINES = [
    "SET,STUDY,ID,TIME,AMT,DV",
    *(
        f"{number},{study},1,0,10,\n{number},{study},1,2,,{number}"
        for number, study in (("1", "A"), ("2.0", "A"), ("3", "B"))
    ),
]
MODEL = load_model("busulfan_neroutsos2022")


def levels(*where: str) -> list[float]:
    """Values that are read under these conditions."""
    lines = [line for text in LINES for line in text.split("\n")]
    found = read_nmtran(lines, MODEL, where=conditions(where))
    assert not found.bad_lines, found.bad_lines
    return [event.value.value for event in found.events if event.kind == "drug_level"]


def test_the_example_in_the_docstring_runs() -> None:
    assert doctest.testmod(chosen).failed == 0


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (["SET=1"], [1.0]),
        (["set == 2"], [2.0]),
        (["SET=20D-1"], [2.0]),
        (["SET=0.3D1"], [3.0]),
        (["STUDY=B"], [3.0]),
        (["STUDY!=A"], [3.0]),
        (["STUDY=A", "SET!=1"], [2.0]),
    ],
)
def test_records_that_hold_what_is_asked_are_read_numbers_compared_as_numbers(
    where: list[str], found: list[float]
) -> None:
    assert levels(*where) == found


def test_how_many_were_left_out_is_said() -> None:
    lines = [line for text in LINES for line in text.split("\n")]
    notes = read_nmtran(lines, MODEL, where=conditions(["SET=1"])).notes
    assert "4 records were left out by --where SET=1" in notes


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("SET", "--where 'SET' is not 'COLUMN=VALUE' or 'COLUMN!=VALUE', as in SET=3"),
        ("=3", "--where '=3' is not"),
        ("SET=", "--where 'SET=' is not"),
        ("REP=1", "--where REP=1: there is no column REP; there are SET, STUDY, ID, TIME, AMT, DV"),
        ("SET=4", "--where SET=4: no record is left; SET is 1, 2.0, 3"),
    ],
)
def test_a_condition_that_cannot_be_read_or_leaves_nothing_is_refused_with_the_mend(where: str, says: str) -> None:
    with pytest.raises((ChoiceError, NmtranError)) as refused:
        levels(where)
    assert str(refused.value).startswith(says)
