"""Where a header stands, what separates cells, and what commas in numbers are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.feeds.nmtran.lines.layout import SEPARATORS, LayoutError, find_header, has_decimal_commas, split
from connectors.feeds.nmtran.lines.records import NmtranError
from connectors.feeds.nmtran.reader import read_nmtran
from twin.events import DoseGiven, DrugLevel
from twin.modelfile.library import load_model

MODEL = load_model("docetaxel_ozawa2007")
KNOWN = {"ID", "TIME", "AMT", "DV"}


@pytest.mark.parametrize(
    ("lines", "separator", "line"),
    [
        (["ID,TIME,AMT"], ",", 1),
        (["ID;TIME;AMT"], ";", 1),
        (["ID\tTIME\tAMT"], "\t", 1),
        (["  ID   TIME  AMT "], " ", 1),
        (["sep=;", "ID;TIME;AMT"], ";", 2),
        (["# ID and TIME are as in the protocol", "ID,TIME,AMT"], ",", 2),
        (["", "#ID,TIME,AMT"], ",", 2),
        (["@ID,TIME,AMT"], ",", 1),
        (["TABLE NO.  3", " ID  TIME  AMT"], " ", 2),
    ],
)
def test_the_header_is_where_the_names_are_and_separated_as_they_are(
    lines: list[str], separator: str, line: int
) -> None:
    found = find_header(lines, KNOWN)
    assert found is not None
    assert (found.names, found.separator, found.line) == (["ID", "TIME", "AMT"], separator, line)


def test_a_file_of_comments_alone_has_no_header() -> None:
    assert find_header(["# a study", ""], KNOWN) is None


@given(st.sampled_from(sorted(SEPARATORS)), st.lists(st.from_regex(r"[A-Za-z0-9.]{1,5}", fullmatch=True), min_size=1))
def test_cells_come_back_whatever_separates_them(separator: str, cells: list[str]) -> None:
    assert split(separator.join(cells), separator) == cells


@pytest.mark.parametrize(
    ("cells", "commas"),
    [
        (["0,25", "1"], True),
        (["12,5", "1,500"], True),
        (["1,500"], False),
        (["1,234,567"], False),
        (["0,25", "0.5"], False),
        (["a,b", "1"], False),
        (["0,125"], True),
    ],
)
def test_commas_are_decimal_points_where_a_number_can_be_nothing_else(cells: list[str], commas: bool) -> None:
    assert has_decimal_commas([cells]) is commas


SAME = [("1,0,96,.", "1,5.5,.,0.35"), ("1;0;96;.", "1;5,5;.;0,35"), ("1 0 96 .", "1  5.5 . 0.35"),
        ("1\t0\t96\tNA", "1\t5.5\t\t0.35")]  # fmt: skip


@pytest.mark.parametrize("rows", SAME)
def test_the_same_records_are_read_however_they_are_separated(rows: tuple[str, str]) -> None:
    separator = next(one for one in ",;\t " if one in rows[0])
    reading = read_nmtran([separator.join(["ID", "TIME", "AMT", "DV"]), *rows], MODEL, output="docetaxel")
    assert reading.bad_lines == ()
    dose, level = (event for event in reading.events if isinstance(event, DoseGiven | DrugLevel))
    assert isinstance(dose, DoseGiven)
    assert isinstance(level, DrugLevel)
    assert (dose.amount.value, level.value.value, (level.time - dose.time).total_seconds()) == (96.0, 0.35, 5.5 * 3600)
    assert (separator != ",") == any("separated by" in note for note in reading.notes)


def test_a_number_that_could_be_read_in_two_ways_is_refused() -> None:
    reading = read_nmtran(["ID;TIME;AMT", "1;0;1,500"], MODEL)
    assert [str(bad) for bad in reading.bad_lines] == [
        "line 2: AMT '1,500' is not a finite number; write it with a decimal point, and thousands without a comma"
    ]


def test_a_row_cut_at_decimal_commas_is_refused_with_the_mend() -> None:
    reading = read_nmtran(["ID,TIME,AMT", "1,0,1,5"], MODEL)
    assert "decimal commas need quotes" in str(reading.bad_lines[0])
    blank = read_nmtran(["ID TIME AMT", "1 0"], MODEL)
    assert "a missing one is a '.'" in str(blank.bad_lines[0])


def test_a_table_of_nonmem_is_read_with_its_numbers_and_repeated_headers() -> None:
    head = ["TABLE NO.  1", " ID          TIME        AMT"]
    rows = ["  1.0000E+00  0.0000E+00  9.6000E+01", "  1.2000E+01  0.0000E+00  9.6000E+01"]
    reading = read_nmtran([*head, rows[0], *head, rows[1]], MODEL)
    assert reading.bad_lines == ()
    assert list(reading.by_patient()) == ["1", "12"]
    assert "table 1 of NONMEM" in reading.notes[0]
    with pytest.raises(NmtranError, match="line 4: table 2 begins below table 1; give each a file of its own"):
        read_nmtran([*head, rows[0], "TABLE NO.  2", rows[1]], MODEL)


def test_a_quote_that_is_not_closed_is_named() -> None:
    with pytest.raises(LayoutError, match="line 1: the header is not comma-separated text"):
        find_header(['ID,TIME,"DV'], KNOWN)
