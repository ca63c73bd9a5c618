"""Tables as files: what stands in a cell, and that a table is whole or not there."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.batch.tables import cell_text, write_table


def test_what_is_no_number_leaves_its_cell_empty() -> None:
    assert [cell_text(cell) for cell in (math.nan, None, 0.1, 2.0, 3, True)] == ["", "", "0.1", "2", "3", "true"]
    assert cell_text(datetime(2026, 1, 5, 9, tzinfo=UTC)) == "2026-01-05T09:00:00+00:00"


def test_a_table_is_its_columns_names_and_a_line_a_row(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", {"ID": ["1", "a,b"], "OK": [True, False]})
    assert (tmp_path / "a.csv").read_text() == 'ID,OK\n1,true\n"a,b",false\n'


def test_a_table_that_cannot_be_completed_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(ValueError, match="shorter"):
        write_table(tmp_path / "a.csv", {"ID": ["1", "2"], "DV": [1.0]})
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
