"""Fits are timed to their end, and what is timed beside them is the same objective."""

from __future__ import annotations

import numpy as np
import pytest

from streams.bench.estimation.fits import bootstrap_seconds, by_hand, over_scipy, timed
from streams.bench.estimation.problems import RICH, SPARSE, Problem
from twin.population.objective import Objective


@pytest.mark.parametrize("problem", [RICH, SPARSE], ids=lambda problem: problem.name)
def test_the_objective_by_hand_is_that_of_the_search(problem: Problem) -> None:
    cohort = problem.cohort(5)
    vector = cohort.theta.pack(cohort.theta.start)
    for shift in (0.0, 0.1):
        ours = Objective(cohort)(vector + shift).total
        assert by_hand(problem, cohort)(vector + shift) == pytest.approx(ours, abs=1e-3)


def test_a_fit_is_timed_to_its_end_and_so_are_refits() -> None:
    found = timed(SPARSE, "focei", 16)
    assert found.fit.converged
    assert len(found.fit.patients) == 16
    assert np.isfinite(found.fit.exact.minus_2_log)
    assert found.seconds > 0.0
    assert bootstrap_seconds(found.fit, SPARSE.cohort(16), 2) > 0.0


def test_an_end_that_is_another_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere:
        fun = 1e6

        def fit(self, _: object) -> Elsewhere:
            return self

    monkeypatch.setattr("streams.bench.estimation.fits.by_hand", lambda *_: Elsewhere())
    with pytest.raises(ArithmeticError, match=r"rich: SciPy ended at 1000000.0, the search at "):
        over_scipy(RICH, 6)
