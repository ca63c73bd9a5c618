"""Noncompartmental analysis of frames and files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import pytest

import dosetwin

LEVELS = {"ID": [1, 1, 1, 2, 2, 2], "TIME": [1.0, 2.0, 4.0] * 2, "DV": [8.0, 4.0, 1.0, 16.0, 8.0, 2.0]}


def test_a_frame_of_either_library_gives_one_of_the_same() -> None:
    for library in (pd, pl):
        found = dosetwin.nca(library.DataFrame(LEVELS), route="bolus", dose=320.0)
        assert isinstance(found.parameters, library.DataFrame)
        assert found.parameters["ID"].to_list() == [1, 2]
        assert found.parameters["vss_obs"].to_list() == pytest.approx([20.0, 10.0])
        assert found.units["clearance_obs"] == "L/h"
        assert repr(found) == "<Noncompartmental analysis of 2 doses>"


def test_a_file_gives_the_same_as_its_frame_and_rows_left_out_are_named(tmp_path: Path) -> None:
    path = tmp_path / "levels.csv"
    pd.DataFrame(LEVELS | {"DV": [8.0, 4.0, 1.0, 16.0, 8.0, "high"]}).to_csv(path, index=False)
    found = dosetwin.nca(path, route="bolus", dose=320.0, concentration_unit="ug/mL")
    assert found.parameters["auc_last"][0] == pytest.approx(15 / 0.6931472)
    assert found.left_out["place"].tolist() == [f"{path}: line 7"]
    assert "DV 'high' is not a finite number" in found.left_out["reason"][0]


def test_arguments_that_do_not_fit_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="is no volume"):
        dosetwin.nca(pd.DataFrame(LEVELS), route="bolus", dose=1.0, concentration_unit="h")
    with pytest.raises(ValueError, match="say how it was given"):
        dosetwin.nca(pd.DataFrame(LEVELS), dose=1.0)
    with pytest.raises(OSError, match=r"nowhere\.csv"):
        dosetwin.nca("nowhere.csv", route="bolus", dose=1.0)
