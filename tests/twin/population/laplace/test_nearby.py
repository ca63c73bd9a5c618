"""About an evaluation the objective bends as it does where modes are searched anew."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.published.sets import DATA, SETS
from twin.population.laplace.methods import objective_of
from twin.population.laplace.nearby import NearbyObjective
from twin.population.objective import Evaluation
from twin.population.results.uncertainty import hessian


@pytest.mark.skipif(not DATA.exists(), reason=f"needs {DATA}")
def test_it_bends_as_where_modes_are_searched_anew() -> None:
    one = SETS["phenobarbital_weight"]
    cohort = one.cohort()
    objective = objective_of(cohort, "focei")
    here = objective(cohort.theta.pack(one.population(cohort, one.said["references"][0]["estimates"])), thorough=True)

    def searched(vector, last=None, *, thorough=False) -> Evaluation:  # type: ignore[no-untyped-def]
        return objective(vector, last, thorough=thorough)

    nearby = NearbyObjective(objective, here)
    assert nearby.moved(np.zeros(cohort.theta.size)).total == pytest.approx(here.total, abs=1e-6)
    found, expected = hessian(objective, here), hessian(searched, here)
    size = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(found / np.outer(size, size), expected / np.outer(size, size), atol=1e-3)
