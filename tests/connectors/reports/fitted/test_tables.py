"""Tables hold what the page draws, and nothing that a spreadsheet would take for a formula."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from connectors.reports.fitted.tables import tables
from tests.connectors.reports.fitted.conftest import Made

pytestmark = pytest.mark.slow


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_value_has_a_row_with_what_there_is_of_it(made: Made) -> None:
    found = rows(made.tables["values"])
    assert len(found) == 320
    limited = [row for row in found if row["limit"]]
    assert {(row["output"], row["limit"], row["cwres"], row["iwres"]) for row in limited} == {
        ("plasma", "below", "", "")
    }
    assert all(float(row["npde"]) is not None for row in found)
    assert len({row["patient"] for row in rows(made.tables["courses"])}) == 40


def test_checks_patients_and_traces_are_whole(made: Made) -> None:
    checks = rows(made.tables["checks"])
    assert {row["check"] for row in checks} == {"as measured", "prediction-corrected", "share"}
    assert {row["group"] for row in checks} == {"SEX 0", "SEX 1"}
    assert all(float(row["low_90"]) <= float(row["expected"]) <= float(row["high_90"]) for row in checks)
    patients = rows(made.tables["patients"])
    total = sum(float(row["objective"]) for row in patients)
    assert total == pytest.approx(made.found["objective"], abs=1e-3)
    assert {"eta.k", "eta.V", "WT", "SEX", "cook_distance"} <= set(patients[0])
    trace = rows(made.tables["trace"])
    assert float(trace[-1]["objective"]) == pytest.approx(made.found["objective"], rel=1e-6)
    assert len(rows(made.tables["estimates"])) == len(made.found["estimates"])


def test_an_id_is_no_formula(made: Made) -> None:
    cohort = made.diagnosed.cohort
    named = replace(cohort.subjects[0], id="=1+1")
    other = cohort.drawn(np.arange(len(cohort)))
    other.subjects = (named, *cohort.subjects[1:])
    found = tables(made.found, replace(made.diagnosed, cohort=other))
    assert rows(found["patients"])[0]["patient"] == "'=1+1"
