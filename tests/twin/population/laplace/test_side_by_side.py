"""Vectors side by side have the objective that each has alone, and are solved together."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.laplace.test_laplace import GRADED, graded, laplace
from tests.twin.population.mixture.mixtures import levels, measured
from tests.twin.population.sites import clinics
from tests.twin.population.test_objective import objective, oral, timelines
from twin.arrays import Floats
from twin.population.laplace.methods import objective_of
from twin.population.laplace.side_by_side import MOST_STEPS, _rows, totals
from twin.population.objective import Evaluation, Method, Objective


def begun(of: Objective, count: int = 12, wide: float = 0.1) -> tuple[Evaluation, Floats]:
    theta = of.cohort.theta
    here = of(theta.pack(theta.start))
    return here, here.vector + wide * np.random.default_rng(4).standard_normal((count, theta.size))


def of_sites(method: Method) -> Objective:
    return objective_of(clinics.of_bolus(clinics.bolus_values()), method)


CASES = {
    "levels": lambda: objective(oral()),
    "levels by foce": lambda: objective(oral(), "foce"),
    "grades": lambda: laplace(graded(), timelines(graded(), GRADED)),
    "sites": lambda: of_sites("focei"),
    "sites by laplace": lambda: of_sites("laplace"),
    "sites by fo": lambda: of_sites("fo"),
    "classes": lambda: objective_of(measured(levels()), "focei"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_has_the_objective_that_it_has_alone(name: str) -> None:
    of = CASES[name]()
    here, vectors = begun(of)
    expected = [of(vector, here).total for vector in vectors]
    np.testing.assert_allclose(totals(of, here, vectors), expected, atol=2e-4)


@pytest.mark.parametrize("method", ["focei", "laplace"])
def test_all_of_them_are_solved_in_a_few_calls(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    of = of_sites(method)
    here, vectors = begun(of, 30, 0.05)
    solved, rows = list[int](), of.cohort.rows
    monkeypatch.setattr(of.cohort, "rows", lambda *given: (solved.append(1), rows(*given))[1])
    totals(of, here, vectors)
    assert len(solved) <= MOST_STEPS


def test_who_is_far_or_impossible_is_searched_alone() -> None:
    of = of_sites("focei")
    here, vectors = begun(of, 3)
    vectors[1] += 3.0
    vectors[2, of.cohort.theta.names.index("omega.V")] = -400.0
    found = totals(of, here, vectors)
    assert found[1] == pytest.approx(of(vectors[1], here).total, abs=1e-3)
    assert not np.isfinite(found[2]) or found[2] > found[0]


def test_rows_of_one_vector_are_its_patients_values() -> None:
    first = np.array([0, 2, 5])
    # Values of patient 1 by vector 0, by vector 1, then of patient 2.
    assert _rows(first, 2, 0).tolist() == [0, 1, 4, 5, 6]
    assert _rows(first, 2, 1).tolist() == [2, 3, 7, 8, 9]
