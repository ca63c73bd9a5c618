"""Frames to cells and tables to frames, of whatever library."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import polars as pl
import pytest

from dosetwin.frames import PANDAS, cells_of, frame_library, frame_of, is_frame

COLUMNS = {"ID": [1, 2], "TIME": [0.5, None], "SEX": ["f", None], "FLAG": [True, False], "DV": [1e-7, 2.0]}
CELLS = [["1", "0.5", "f", "1", "1e-07"], ["2", "", "", "0", "2.0"]]


@pytest.mark.parametrize("library", [pd, pl])
def test_a_frame_has_the_cells_of_its_file(library: object) -> None:
    frame = library.DataFrame(COLUMNS)  # type: ignore[attr-defined]
    assert cells_of(frame, {}) == (list(COLUMNS), CELLS)


@pytest.mark.parametrize("library", [pd, pl])
def test_a_table_becomes_a_frame_of_the_kind_asked_for(library: object) -> None:
    kind = frame_library(library.DataFrame({"A": [1]}))  # type: ignore[attr-defined]
    frame = frame_of({"ID": ["1", "20"], "DV": [0.5, math.nan], "OK": [True, False]}, kind)
    assert isinstance(frame, library.DataFrame)  # type: ignore[attr-defined]
    assert list(frame["ID"]) == [1, 20]
    assert int(frame["DV"].is_null().sum() if library is pl else frame["DV"].isna().sum()) == 1


def test_ids_stay_text_where_not_all_are_whole_numbers() -> None:
    for ids in (["1", "P-2"], ["1", "007"]):
        assert frame_of({"ID": ids}, PANDAS)["ID"].tolist() == ids


@pytest.mark.parametrize("library", [pd, pl])
def test_times_that_are_dates_become_a_date_and_a_clock_time(library: object) -> None:
    zone = timezone(timedelta(hours=2))
    times = [datetime(2026, 3, 1, 1, 30, tzinfo=zone), datetime(2026, 3, 1, 2, 0, 0, 250_000, tzinfo=zone)]
    header, rows = cells_of(library.DataFrame({"ID": [1, 1], "WHEN": times}), {"time": "WHEN"})  # type: ignore[attr-defined]
    assert header == ["ID", "DAT2", "WHEN"]
    assert rows == [["1", "2026-02-28", "23:30:00.000000"], ["1", "2026-03-01", "00:00:00.250000"]]


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two columns of one name; rename one"):
        cells_of(pd.DataFrame([[1, 2]], columns=["DV", "DV"]), {})


def test_other_things_are_no_frames() -> None:
    assert is_frame(pl.DataFrame({"A": [datetime(2026, 1, 1, tzinfo=UTC)]}))
    assert not is_frame({"ID": [1]})
    assert not is_frame("records.csv")
