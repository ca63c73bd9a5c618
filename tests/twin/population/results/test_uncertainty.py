"""Standard errors are NONMEM's; where there is no minimum there are none, and that is said."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.published.sets import DATA, SETS
from tests.twin.population.simulated.sets import no_plateau
from tests.twin.population.test_search import BOWL, Bowl
from tests.twin.population.test_theta import model
from twin.population.objective import Objective
from twin.population.results.uncertainty import endless, hessian, uncertainty
from twin.population.search import State, bounds, search
from twin.population.theta import Theta


def test_the_hessian_is_that_of_the_parabolas() -> None:
    _, here = search(BOWL, State(np.array([3.0, 3.0])), lambda *_: None)
    away = here.vector - BOWL.centres
    np.testing.assert_allclose(hessian(BOWL, here), np.diag((away**2 + 2).sum(axis=0)), rtol=1e-4, atol=1e-6)


def test_too_few_patients_for_the_scores_are_said_and_so_is_a_saddle() -> None:
    theta = Theta.of(model(), fixed=("a", "b", "c", "omega.a.b", "d", "error.plasma.proportional"))
    assert theta.names == ("e",)
    alone = Bowl(BOWL.centres[:1, :1])
    here = alone(BOWL.centres[0, :1] + 0.1)
    found = uncertainty(alone, theta, here)
    assert "S is singular (1 patients for 1 numbers)" in found.problem
    assert set(found.covariance) == {"R"}

    def saddle(vector, last=None, *, thorough=False):  # type: ignore[no-untyped-def]
        seen = alone(vector, last, thorough=thorough)
        seen.score[:] *= -1
        return seen

    assert "R is not positive definite" in uncertainty(saddle, theta, saddle(here.vector)).problem


@pytest.mark.parametrize(("seed", "names"), [(1, []), (3, ["EM", "EC"])])
def test_what_goes_on_without_an_end_is_named(seed: int, names: list[str]) -> None:
    """Effects straight with what was given: of some patients a plateau far off is told, of others none."""
    cohort = no_plateau(seed).cohort()
    objective, theta = Objective(cohort), cohort.theta
    state, here = search(objective, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
    assert state.why == "converged"
    found = endless(theta, here, uncertainty(objective, theta, here))
    assert list(found) == names
    assert all(error > 5.0 for error in found.values())


@pytest.mark.skipif(not DATA.exists(), reason=f"needs {DATA}")
def test_the_sandwich_is_that_of_nonmem() -> None:
    one = SETS["phenobarbital_weight"]
    cohort, reference = one.cohort(), one.said["references"][0]
    objective, theta = Objective(cohort), cohort.theta
    here = objective(theta.pack(one.population(cohort, reference["estimates"])))
    found = uncertainty(objective, theta, here)
    errors = found.errors("sandwich")
    assert errors is not None
    ours = dict(zip(theta.names, errors, strict=True))
    published = reference["se"]
    pairs = {
        "CL": "cl_per_kg",
        "V": "v_per_kg",
        "low": "apgar_low_on_v",
        "omega.CL": "omega2_cl",
        "omega.V": "omega2_v",
    }
    for our, their in pairs.items():
        assert ours[our] == pytest.approx(published[their], rel=0.002)
    size = np.sqrt(reference["estimates"]["var_prop"])
    assert 2 * size * ours["error.plasma.proportional"] == pytest.approx(published["var_prop"], rel=0.003)
    condition = found.condition("sandwich")
    assert condition is not None
    assert 1 < condition < 20
