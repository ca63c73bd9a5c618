"""Rows on disk: the newest of each patient, gone with the process, and a disk that fails is named."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.worker.rows.state_row import StateRow, encode_row, sealed_row
from streams.worker.rows.stored_rows import RowsUnwritable, StoredRows

QUIET = encode_row(StateRow("A", "m", "h", (), 5, os.urandom(50_000), (), (), False))


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=3), st.binary(max_size=40)), max_size=30))
def test_the_newest_row_of_each_patient_stands(written: list[tuple[bytes, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = StoredRows(Path(folder))
        for key, row in written:
            rows.put(0, key, row)
        for key, row in dict(written).items():
            assert rows.get(key) == row
        assert rows.get(b"nobody") is None
        rows.close()


def test_those_who_call_for_attention_are_found_without_reading_all(tmp_path: Path) -> None:
    rows = StoredRows(tmp_path)
    rows.put(0, b"A", QUIET)
    rows.put(0, b"B", sealed_row("B", "row_deleted", "gone"))
    rows.put(1, b"C", b"no row")
    assert list(rows.calling()) == [b"B", b"C"]
    rows.put(0, b"B", QUIET)
    rows.keep({0})
    assert list(rows.calling()) == []
    assert rows.get(b"C") is None
    assert rows.get(b"A") == QUIET


def test_nothing_is_left_in_the_folder_for_anybody_to_read(tmp_path: Path) -> None:
    rows = StoredRows(tmp_path / "new")
    rows.put(0, b"A", QUIET)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RowsUnwritable, match=r"state rows cannot be kept in .*file: .* --datadir"):
        StoredRows(tmp_path / "file")


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    rows = StoredRows(tmp_path)
    rows._rows.execute("PRAGMA max_page_count = 8").fetchall()
    with pytest.raises(RowsUnwritable, match="full"):
        rows.put(0, b"A", 8 * QUIET)
