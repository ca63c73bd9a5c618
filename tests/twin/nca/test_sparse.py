"""Areas of many patients with a few samples each: against formulas by hand, and against chance itself."""

from __future__ import annotations

import numpy as np
import pytest

from twin.nca.profile import NcaError
from twin.nca.sparse import sparse_area

TIMES = np.array([1.0, 2.0, 4.0, 8.0])
WEIGHTS = np.array([0.5, 1.5, 3.0, 2.0])


def test_one_sample_each_is_bailers_error() -> None:
    random = np.random.default_rng(1)
    values = random.lognormal(0.0, 0.3, (4, 5))
    patients = [f"{time:g}-{number}" for time in TIMES for number in range(5)]
    found = sparse_area(patients, np.repeat(TIMES, 5), values.ravel()).found
    assert found["auc_sparse"] == pytest.approx(WEIGHTS @ values.mean(axis=1))
    parts = WEIGHTS**2 * values.var(axis=1, ddof=1) / 5
    assert found["auc_sparse_se"] == pytest.approx(np.sqrt(parts.sum()))
    assert found["auc_sparse_df"] == pytest.approx(parts.sum() ** 2 / (parts**2 / 4).sum())


def test_all_samples_of_all_patients_give_the_error_of_their_own_areas() -> None:
    values = np.random.default_rng(2).lognormal(0.0, 0.3, (6, 4))
    patients = [str(number) for number in range(6) for _ in TIMES]
    found = sparse_area(patients, np.tile(TIMES, 6), values.ravel()).found
    own = values @ WEIGHTS
    assert found["auc_sparse"] == pytest.approx(own.mean())
    assert found["auc_sparse_se"] == pytest.approx(own.std(ddof=1) / np.sqrt(6))


def test_where_patients_give_two_samples_the_error_is_that_of_chance() -> None:
    random = np.random.default_rng(3)
    told = []
    for _ in range(2000):
        own = random.normal(0.0, 0.4, 12)  # what a patient's samples share
        patients, times, values = [], [], []
        for number in range(12):
            for time in TIMES[[number % 2, 2 + number % 2]]:
                patients.append(str(number))
                times.append(time)
                values.append(5.0 + own[number] + random.normal(0.0, 0.2))
        found = sparse_area(patients, times, values).found
        told.append((found["auc_sparse"], found["auc_sparse_se"] ** 2))
    areas, variances = np.array(told).T
    assert areas.mean() == pytest.approx(35.0, rel=0.01)
    assert variances.mean() == pytest.approx(areas.var(), rel=0.1)


@pytest.mark.parametrize(
    ("patients", "times", "said"),
    [
        (["1", "2"], [1, 1], "1 times"),
        (["1", "2", "1"], [1, 1, 2], "time 2 has a value of one patient alone"),
        (["1", "1", "2", "2"], [1, 1, 1, 2], "patient 1 has two values at time 1"),
    ],
)
def test_what_gives_no_area_is_refused_by_name(patients: list[str], times: list[float], said: str) -> None:
    with pytest.raises(NcaError, match=said):
        sparse_area(patients, times, [1.0] * len(times))


def test_the_area_begins_at_the_dose_where_nothing_was_there_before_and_else_says_where() -> None:
    patients, times = ["1", "2", "3", "4"], [1.0, 1.0, 3.0, 3.0]
    values = [4.0, 6.0, 1.0, 3.0]
    late = sparse_area(patients, times, values)
    assert late.found["auc_sparse"] == pytest.approx(7.0)
    assert late.remarks == ("the area begins at 1, the first time, and not at the dose",)
    whole = sparse_area(patients, times, values, from_nothing=True)
    assert whole.found["auc_sparse"] == pytest.approx(7.0 + 2.5)
    assert whole.found["auc_sparse_se"] == pytest.approx(np.sqrt(1.5**2 * 1.0 + 1.0**2 * 1.0))
    assert whole.remarks == ()
    at_once = sparse_area(patients, [0.0, 0.0, 3.0, 3.0], values, from_nothing=True)
    assert (at_once.found["auc_sparse"], at_once.remarks) == (pytest.approx(10.5), ())
