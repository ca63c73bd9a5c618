"""Which rows of a design ask for a value."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pytest

from dosetwin.design import as_design

ROWS = {
    "ID": [1, 1, 1, 1, 1],
    "EVID": [0, 1, 2, None, 0],
    "AMT": [None, 5.0, None, 0.0, None],
    "MDV": [0, 1, 1, None, 1],
    "DV": [7.0, None, None, None, 3.0],
    "CENS": [1, None, None, None, None],
}


@pytest.mark.parametrize("library", [pd, pl])
def test_observations_ask_whatever_was_measured_and_doses_do_not(library: object) -> None:
    found = as_design(library.DataFrame(ROWS), {})  # type: ignore[attr-defined]
    asked = [value == 1.0 for value in found["DV"].to_list()]
    assert asked == [True, False, False, True, False]
    assert "CENS" not in found.columns


def test_columns_may_have_other_names_and_dv_need_not_be_there() -> None:
    frame = pd.DataFrame({"ID": [1, 1], "DOSE": [5.0, None]})
    assert as_design(frame, {"amt": "DOSE"})["DV"].tolist()[1] == 1.0
