"""Calibration and examination in frames."""

from __future__ import annotations

import polars as pl
import pytest

import dosetwin
from tests.dosetwin.small import FRAME, MODEL


@pytest.mark.slow
def test_a_calibrated_model_passes_and_says_by_what() -> None:
    found = dosetwin.validate("fluorouracil_yamada2025", patients=20, particles=100, jobs=0)
    assert found.passed
    assert repr(found) == "<fluorouracil_yamada2025 is calibrated, by 20 simulated patients>"
    assert set(found.tests["test"]) == {"rank", "pit"}
    assert found.tests["passed"].all()
    assert sorted(set(found.coverage["level"])) == [0.5, 0.8, 0.9, 0.95]
    assert found.scores["output"].tolist() == ["fluorouracil_plasma", "leukocytes"]
    assert "<html" in found.page()


@pytest.mark.slow
def test_a_model_is_held_against_data() -> None:
    found = dosetwin.validate(MODEL, FRAME, particles=50, jobs=0)
    assert repr(found) == "<toy_absorption held against 2 patients, 5 values>"
    assert found.values["DV"].tolist() == [2.4, 1.1, 2.9, 4.4, 2.9]
    assert {"PRED", "IPRED", "IWRES", "NPDE", "q05", "median", "q95", "pit"} <= set(found.values.columns)
    assert {"value", "low", "high"} <= set(found.measures.columns)
    page = found.page("two patients")
    assert "<html" in page
    assert "two patients" in page
    assert isinstance(dosetwin.validate(MODEL, pl.from_pandas(FRAME), particles=50, jobs=0).values, pl.DataFrame)


def test_numbers_that_are_too_small_and_data_without_values_are_refused() -> None:
    with pytest.raises(ValueError, match="patients: 5 is too few; give at least 20"):
        dosetwin.validate(MODEL, patients=5)
    with pytest.raises(ValueError, match="particles: 5 is too few; give at least 50"):
        dosetwin.validate(MODEL, FRAME, particles=5)
    with pytest.raises(ValueError, match="no patient of the data set could be examined: patient 9: not examined"):
        dosetwin.validate(MODEL, FRAME[FRAME["EVID"] == 1], jobs=0)
