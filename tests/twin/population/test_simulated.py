"""Sets that are simulated with nothing of this program are what their model says, and are found again from afar."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.simulated.sets import LAPLACE, SETS
from twin.population.laplace.methods import objective_of, usual_objective
from twin.population.means.approach import sought
from twin.population.results.uncertainty import uncertainty
from twin.population.search import State, bounds

SOON = ("counts", "grades", "compartments")
"""Those that take a few seconds."""


@pytest.mark.parametrize("name", [name for name in SETS if name not in ("grades", "counts")])
def test_values_scatter_about_what_the_model_predicts_at_the_truth(name: str) -> None:
    cohort = SETS[name](1, 12).cohort()
    objective = objective_of(cohort, "laplace" if name in LAPLACE else "focei")
    iwres = objective.iwres(objective(cohort.theta.pack(cohort.theta.start), thorough=True))
    iwres = iwres[np.isfinite(iwres)]
    assert np.abs(iwres).max() < 5.0
    assert 0.3 < (iwres * iwres).mean() < 1.05


@pytest.mark.parametrize("name", SOON)
def test_a_fit_ends_at_the_same_minimum_from_the_truth_and_from_three_times_off(name: str) -> None:
    made, ends = SETS[name](3), []
    # From the truth last: what may change places, as two compartments, then goes by the truth's names.
    for start in ("farther", "truth"):
        cohort = made.cohort(start)
        theta, objective = cohort.theta, usual_objective(cohort)
        state, here = sought(objective, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
        assert state.why == "converged"
        ends.append(here)
    assert ends[0].total == pytest.approx(ends[1].total, abs=0.01)
    errors = uncertainty(objective, theta, here).errors("R")
    assert errors is not None
    away = (theta.natural(here.vector) - np.array([made.true(one) for one in theta.names])) / errors
    away = away[np.isfinite(away)]
    assert np.sqrt((away * away).mean()) < 1.6
