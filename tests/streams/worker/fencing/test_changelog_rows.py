from __future__ import annotations

import tempfile
from itertools import pairwise

import faust
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.worker.fencing.changelog_rows import ChangelogRows
from streams.worker.rows.state_row import MARK, StateRow, decode_row, encode_row, mark_of, of_term, term_of


def table() -> ChangelogRows:
    folder = tempfile.mkdtemp()  # in which nothing stays
    app = faust.App("rows", store="memory://", autodiscover=False, Table=ChangelogRows, datadir=folder)
    made = app.Table("patients", key_type=bytes, value_type=bytes)
    assert isinstance(made, ChangelogRows)
    return made


def row(term: int, offset: int, patient: str = "A") -> bytes:
    """A row that contains the input up to ``offset``."""
    return of_term(encode_row(StateRow(patient, "m", "h", (("t", 0, offset),), 5, b"twin", (), (), False)), term)


def read(rows: ChangelogRows, *records: tuple[bytes, bytes | None], first: int = 0) -> None:
    for offset, (key, value) in enumerate(records, first):
        rows.read(0, offset, key, value)


def test_the_last_row_of_the_newest_holder_counts() -> None:
    rows = table()
    read(rows, (MARK, mark_of(1)), (b"A", row(1, 5)), (MARK, mark_of(2)), (b"A", row(2, 4)), (b"A", row(2, 9)))
    assert rows.row(b"A") == row(2, 9)
    assert rows.outdated == {}
    assert rows.next_term(0, generation=3) == 5
    assert rows.row(MARK) is None, "the mark is no patient"
    assert list(rows.calling()) == []


def test_a_row_of_a_holder_before_never_counts_and_the_one_that_does_is_written_again() -> None:
    rows = table()
    read(rows, (b"A", row(1, 5)), (MARK, mark_of(2)), (b"A", row(2, 9)), (b"A", row(1, 7)), (b"B", row(2, 1)))
    assert rows.row(b"A") == row(2, 9)
    assert rows.outdated == {b"A": 0}
    read(rows, (b"A", row(2, 10)), first=5)
    assert rows.outdated == {}


def test_a_mark_alone_ends_the_time_of_those_before() -> None:
    rows = table()
    read(rows, (b"A", row(1, 5)), (MARK, mark_of(2)), (b"A", row(1, 7)))
    assert rows.row(b"A") == row(1, 5)


@pytest.mark.parametrize(("value", "reason"), [(None, "row_deleted"), (row(1, 7), "row_overwritten")])
def test_a_patient_of_whom_nothing_is_left_that_counts_is_sealed_and_not_new(value: bytes | None, reason: str) -> None:
    rows = table()
    read(rows, (MARK, mark_of(2)), (b"A", value))
    left = rows.row(b"A")
    assert left is not None
    assert (decode_row(left).sealed or ("",))[0] == reason
    assert rows.outdated == {b"A": 0}


def test_a_tombstone_takes_nothing_away() -> None:
    rows = table()
    read(rows, (MARK, mark_of(1)), (b"A", row(1, 5)), (b"A", None))
    assert rows.row(b"A") == row(1, 5)
    assert rows.outdated == {b"A": 0}


def test_a_damaged_row_is_the_newest_all_the_same_and_its_term_is_not_believed() -> None:
    rows = table()
    damaged = bytearray(row(1, 6))
    damaged[6] ^= 0x40  # in the term: it would be beyond all others
    assert term_of(bytes(damaged)) is None
    read(rows, (MARK, mark_of(1)), (b"A", row(1, 5)), (b"A", bytes(damaged)), (b"B", row(1, 3, "B")))
    assert rows.row(b"A") == bytes(damaged)
    assert rows.row(b"B") == row(1, 3, "B")
    assert rows.next_term(0, generation=1) == 2


def test_a_changelog_that_is_read_again_from_its_beginning_ends_the_same() -> None:
    rows, records = table(), [(b"A", row(1, 5)), (MARK, mark_of(3)), (b"B", row(3, 1, "B")), (b"A", row(3, 8))]
    read(rows, *records)
    read(rows, *records)
    assert (rows.row(b"A"), rows.row(b"B"), rows.outdated) == (row(3, 8), row(3, 1, "B"), {})


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=12))
def test_terms_rise_with_every_holder_also_where_generations_begin_anew(holders: list[tuple[int, bool]]) -> None:
    rows, terms = table(), [0]
    for number, (generation, writes) in enumerate(holders):
        terms.append(rows.next_term(0, generation))
        read(rows, (MARK, mark_of(terms[-1])), *([(b"A", row(terms[-1], number))] if writes else []), first=2 * number)
    assert all(before < after for before, after in pairwise(terms))
