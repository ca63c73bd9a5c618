"""Estimates in frames: the numbers of `dosetwin estimate`, in the kind of frame that came in."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from typer.testing import CliRunner

import dosetwin
from streams.cli import app
from tests.dosetwin.small import FRAME, MODEL
from tests.twin import toys


@pytest.mark.slow
def test_frames_hold_what_the_command_writes(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "records.csv", index=False)
    (tmp_path / "toy.toml").write_text(toys.ABSORPTION)
    words = ["estimate", str(tmp_path / "records.csv"), "--model", str(tmp_path / "toy.toml")]
    words += ["--out", str(tmp_path / "out.csv"), "--predictions", str(tmp_path / "values.csv"), "--jobs", "1"]
    assert CliRunner().invoke(app, words).exit_code == 0
    found = dosetwin.estimate(FRAME, MODEL, jobs=0)
    for frame, file in ((found.individuals, "out.csv"), (found.values, "values.csv")):
        written = pd.read_csv(tmp_path / file)
        assert list(frame) == list(written)
        full = [each.dropna(axis="columns", how="all") for each in (frame, written)]
        pd.testing.assert_frame_equal(*full, rtol=1e-9, check_dtype=False)


def test_frames_are_of_the_kind_that_came_in_and_have_the_same_numbers() -> None:
    found, other = (dosetwin.estimate(records, MODEL, jobs=0) for records in (FRAME, pl.from_pandas(FRAME)))
    assert isinstance(other.individuals, pl.DataFrame)
    assert other.individuals["ETA_CL"].to_list() == found.individuals["ETA_CL"].tolist()
    assert found.individuals["ID"].tolist() == [9, 10]
    assert found.values["OUTPUT"].tolist() == ["toxin_plasma"] * 2 + ["cells"] + ["toxin_plasma"] * 2
    assert repr(found) == "<Estimates of 2 patients, 5 values, by toy_absorption>"
    assert (len(found.left_out), found.notes) == (0, ())


def test_an_estimate_beside_rows_that_were_left_out_says_so_where_it_was_called() -> None:
    frame = pd.concat([FRAME, FRAME.tail(1).assign(DVID=7)])
    with pytest.warns(dosetwin.LeftOutWarning, match="DVID 7: outputs 1 to 2 are") as caught:
        found = dosetwin.estimate(frame, MODEL, jobs=0)
    assert caught[0].filename == __file__
    assert found.left_out["place"].tolist() == ["data frame: row 7"]
    assert found.individuals["left_out"].tolist()[1] == "value (row 7)"
    assert found.individuals["left_out"].isna().tolist() == [True, False]
    assert found.notes[-1] == "estimated from a part of what was recorded (column left_out): 1 patient (10)"
    assert set(found.shrinkage) == set(MODEL.eta_names)


def test_the_fit_of_an_output_can_be_seen() -> None:
    found = dosetwin.estimate(FRAME, MODEL, jobs=0)
    figure = found.plot()
    assert [ax.get_xlabel() for ax in figure.axes][:2] == [
        "population prediction (mg/L)",
        "individual prediction (mg/L)",
    ]
    assert found.plot("cells").axes[0].get_ylabel() == "measured (×10⁹/L)"
    with pytest.raises(ValueError, match="output: 'hair' was not measured; there is toxin_plasma, cells"):
        found.plot("hair")
