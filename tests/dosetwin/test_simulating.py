"""Simulated data sets: the same for the same seed, by a design of one's own, and readable as any other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import dosetwin
from tests.dosetwin.small import FRAME, MODEL
from tests.twin import toys
from twin.modelfile.reader import parse_model


def test_the_same_seed_gives_the_same_patients_however_many_processes_there_are() -> None:
    first = dosetwin.simulate(MODEL, FRAME, patients=3, seed=5, jobs=0)
    pd.testing.assert_frame_equal(first, dosetwin.simulate(MODEL, FRAME, patients=3, seed=5, jobs=0))
    more = dosetwin.simulate(MODEL, FRAME, patients=5, seed=5, jobs=0)
    pd.testing.assert_frame_equal(first, more[more["ID"] <= 3].reset_index(drop=True))
    assert not first["DV"].equals(dosetwin.simulate(MODEL, FRAME, patients=3, seed=6, jobs=0)["DV"])


def test_a_design_says_who_gets_what_and_when_it_is_measured() -> None:
    asked = FRAME.assign(DV=None)
    found = dosetwin.simulate(MODEL, asked, jobs=0)
    assert found["ID"].unique().tolist() == [1, 2]
    assert found[found["EVID"] == 1]["AMT"].tolist() == [100.0, 100.0]
    assert found[found["EVID"] == 1]["RATE"].tolist() == [50.0, 50.0]
    measured = found[found["EVID"] == 0]
    assert measured["TIME"].tolist() == [3.0, 8.0, 48.0, 3.0, 8.0]
    assert measured["DVID"].tolist() == [1, 1, 2, 1, 1]
    assert (measured["DV"] > 0).all()
    assert found["WT"].dropna().tolist() == [60.0, 80.0]
    pd.testing.assert_frame_equal(found, dosetwin.simulate(MODEL, FRAME, jobs=0))


def test_what_a_design_measures_below_a_dose_of_the_same_time_is_measured_after_it() -> None:
    rows = [(0, 1, 100.0), (0, 0, None), (24, 0, None), (24, 1, 100.0), (24, 0, None)]
    asked = pd.DataFrame(rows, columns=["TIME", "EVID", "AMT"]).assign(ID=1, DV=None, DVID=1)
    found = dosetwin.simulate(MODEL, asked, jobs=0)
    assert list(zip(found["TIME"], found["EVID"], strict=True)) == [(time, evid) for time, evid, _ in rows]
    peak, trough, again = found[found["EVID"] == 0]["DV"]
    assert min(peak, again) > 2 * trough


def test_a_simulated_data_set_is_read_back_as_the_same_record() -> None:
    simulated = dosetwin.simulate(MODEL, FRAME, jobs=0)
    again = dosetwin.simulate(MODEL, simulated, jobs=0)
    pd.testing.assert_frame_equal(simulated, again)


def test_routes_steady_states_and_resets_survive() -> None:
    rows = [
        (1, 0.0, 1, 10.0, 1, 1, 12.0, None),
        (1, 6.0, 0, None, None, None, None, None),
        (1, 10.0, 3, None, None, None, None, None),
        (1, 11.0, 1, 20.0, 2, None, None, None),
        (1, 12.0, 0, None, None, None, None, None),
    ]
    design = pd.DataFrame(rows, columns=["ID", "TIME", "EVID", "AMT", "CMT", "SS", "II", "DV"])
    found = dosetwin.simulate(MODEL, design, jobs=0)
    assert found["EVID"].tolist() == [1, 0, 3, 1, 0]
    assert found["SS"].dropna().tolist() == [1]
    assert found["II"].dropna().tolist() == [12.0]
    events = [e for e in dosetwin.read_nmtran(found, MODEL)["1"] if e.kind == "dose_given"]
    asked = [e for e in dosetwin.read_nmtran(design.assign(DV=1.0), MODEL)["1"] if e.kind == "dose_given"]
    assert [(e.route, e.amount, e.steady_every) for e in events] == [(e.route, e.amount, e.steady_every) for e in asked]


@pytest.mark.slow
def test_values_scatter_about_the_patient_that_the_row_names() -> None:
    found = dosetwin.simulate(MODEL, FRAME.head(4), patients=200, jobs=0)
    one = found.drop_duplicates("ID")
    assert one["ETA_CL"].std() == pytest.approx(0.3, rel=0.2)
    assert np.corrcoef(one["ETA_CL"], found[found["TIME"] == 8.0]["DV"])[0, 1] < -0.5


def test_values_below_zero_are_there_and_are_not_read() -> None:
    late = FRAME.head(3).assign(TIME=[0.0, 60.0, 80.0])
    found = dosetwin.simulate("fluorouracil_yamada2025", late.drop(columns="WT"), patients=20, jobs=0)
    below = found["DV"] < 0
    assert below.any()
    assert found[below]["MDV"].eq(1).all()
    assert dosetwin.read_nmtran(found, "fluorouracil_yamada2025")


def test_a_frame_is_of_the_kind_of_its_design() -> None:
    assert isinstance(dosetwin.simulate(MODEL, pl.from_pandas(FRAME), jobs=0), pl.DataFrame)


@pytest.mark.slow
def test_without_a_design_the_model_has_its_own_with_the_time_of_day_kept() -> None:
    found = dosetwin.simulate("docetaxel_ozawa2007", patients=2, jobs=0)
    assert found["TIME"].min() == 0
    by_clock = dosetwin.simulate("ambulatory_bp_sheng2013", jobs=0)
    assert by_clock["TIME"].min() == pytest.approx(8 / 24)  # eight in the morning: TIME 0 is midnight


def test_what_cannot_stand_in_a_design_is_said() -> None:
    with pytest.raises(ValueError, match="patients: 0 is too few; give at least 1"):
        dosetwin.simulate(MODEL, patients=0)
    nothing = pd.DataFrame({"ID": [1], "TIME": [0.0], "EVID": [2], "WT": [70.0], "DV": [None]})
    with pytest.raises(ValueError, match="design: nothing to simulate: patient 1: neither doses nor times"):
        dosetwin.simulate(parse_model(toys.ABSORPTION, "toy.toml"), nothing, jobs=0)
