"""Ids of patients: distinct texts are distinct patients, unless both are the same plain number, which is said."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord
from connectors.feeds.nmtran.patients.identity import Identity


def record(cell: str) -> DataRecord:
    return DataRecord(2, [cell], {"ID": 0})


def named(*cells: str, prefix: str = "") -> tuple[list[str], list[str]]:
    """The patients of these cells, and what is noted of them."""
    identity = Identity(prefix)
    return [identity.patient_of(record(cell)) for cell in cells], list(identity.notes())


def test_names_that_look_like_numbers_with_an_exponent_are_names() -> None:
    assert named("1E2", "100", "10D1", "0E8") == (["1E2", "100", "10D1", "0E8"], [])


def test_one_number_written_in_several_ways_is_one_patient_and_said() -> None:
    patients, notes = named("7", "007", "7.0", "8", "08", "9")
    assert patients == ["7", "7", "7", "8", "8", "9"]
    assert notes == ["ID 7, 007 and 7.0 were taken as one patient, 7, and so with 1 more"]
    assert named("7.0", "7.0") == (["7", "7"], [])
    assert named("7", prefix="a-") == (["a-7"], [])


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (".", "ID is missing"),
        ("Jane Doe", "ID 'Jane Doe': use letters, digits, '.', '_' and '-', at most 64"),
        ("-1", "ID '-1': use letters"),
        ("1e+05", "at most 64; write a number out, as in 100000"),
        ("1" * 65, "at most 64"),
    ],
)
def test_what_cannot_be_an_id_is_refused_with_the_reason(cell: str, says: str) -> None:
    with pytest.raises(BadRecord, match=re.escape(says)):
        named(cell)


CELL = st.from_regex(r"\A0{0,2}[0-9]{1,2}(\.0{0,2})?\Z|\A[0-9A-Ea-e.]{1,4}\Z|\A[Cc]\Z").filter(
    lambda cell: re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", cell) is not None
)


@given(CELL, CELL)
def test_distinct_texts_never_merge_unless_both_are_the_same_plain_number_and_that_is_said(one: str, two: str) -> None:
    (first, second), notes = named(one, two)
    plain = [re.fullmatch(r"[0-9]+(\.0*)?", cell) is not None for cell in (one, two)]
    same_number = all(plain) and float(one) == float(two)
    assert (first == second) == (one == two or same_number)
    assert any("were taken as one patient" in note for note in notes) == (one != two and same_number)
