"""A search ends at the published minimum, from the published start, and goes on as if it had not been interrupted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from streams.batch.population.problems import told_by_others
from tests.twin.population.published.sets import DATA, SETS
from twin.arrays import Floats
from twin.population.laplace.methods import objective_of
from twin.population.objective import Evaluation, Method, Objective
from twin.population.results.uncertainty import uncertainty
from twin.population.search import Bounds, State, bounds, scores_curvature, search, untold


@dataclass
class Bowl:
    """Patients whose objectives are parabolas around points of their own, and not finite beyond 30."""

    centres: Floats

    def __call__(self, vector: Floats, last: Evaluation | None = None, *, thorough: bool = False) -> Evaluation:
        del last, thorough
        away = vector - self.centres
        ofv = (away**4 / 12 + away**2).sum(axis=1)
        if np.abs(vector).max() > 30:
            ofv[:] = np.nan
        nothing = np.zeros((len(away), 0))
        settled = np.ones(len(away), dtype=np.bool_)
        score = away**3 / 3 + 2 * away
        return Evaluation(
            vector.copy(),
            ofv,
            nothing,
            np.zeros((len(away), 0, 0)),
            score,
            np.zeros((len(away), 0, 2)),
            settled,
            np.zeros(len(away)),
        )


BOWL = Bowl(np.random.default_rng(1).normal([2.0, -1.0], 1.0, (40, 2)))


def test_it_ends_where_the_gradient_is_zero() -> None:
    state, here = search(BOWL, State(np.array([9.0, 9.0])), lambda *_: None)
    assert state.why == "converged"
    np.testing.assert_allclose(here.gradient, 0.0, atol=0.05)


def test_it_goes_on_from_where_it_stood() -> None:
    passed: list[State] = []
    whole, _ = search(BOWL, State(np.array([9.0, 9.0])), lambda state, _: passed.append(state))
    again, _ = search(BOWL, passed[2], lambda *_: None)
    np.testing.assert_allclose(again.vector, whole.vector, atol=1e-3)
    assert again.step >= passed[2].step


def test_a_bound_is_kept() -> None:
    state, _ = search(
        BOWL, State(np.array([9.0, 9.0])), lambda *_: None, Bounds(np.array([-np.inf, 1.5]), np.array(np.inf))
    )
    assert state.vector[1] == 1.5
    assert state.why == "converged"


@dataclass
class Steep(Bowl):
    """The same, of which nothing can be computed at the end of the first step."""

    met: bool = False

    def __call__(self, vector: Floats, last: Evaluation | None = None, *, thorough: bool = False) -> Evaluation:
        if last is not None and not self.met:
            self.met = True
            raise np.linalg.LinAlgError("Singular matrix")
        return super().__call__(vector, last, thorough=thorough)


def test_a_step_to_where_nothing_can_be_computed_is_too_long() -> None:
    state, here = search(Steep(BOWL.centres), State(np.array([9.9, 9.9])), lambda *_: None)
    assert state.why == "converged"
    np.testing.assert_allclose(here.gradient, 0.0, atol=0.05)


class Vanishing:
    """Patients of whom the second number is the logarithm of a factor that the data do not tell from 0."""

    def __call__(self, vector: Floats, last: Evaluation | None = None, *, thorough: bool = False) -> Evaluation:
        seen = BOWL(vector, last, thorough=thorough)
        of_first, factor = BOWL.centres[:, 0] - vector[0], np.exp(2.0 * vector[1])
        weight = 0.1 + BOWL.centres[:, 1] - BOWL.centres[:, 1].mean()
        score = np.stack([-2.0 * of_first, 2.0 * weight * factor], axis=1)
        return replace(seen, ofv=of_first**2 + weight * factor, score=score)


def test_a_factor_that_the_data_do_not_tell_from_nothing_holds_nobody_up() -> None:
    within = Bounds(np.full(2, -np.inf), np.full(2, np.inf), np.array([False, True]))
    state, here = search(Vanishing(), State(np.array([9.0, 0.0])), lambda *_: None, within)
    assert state.why == "converged"
    assert here.vector[0] == pytest.approx(BOWL.centres[:, 0].mean(), abs=1e-3)
    assert 0.0 <= here.gradient[1] < 2e-5
    assert untold(here, within).tolist() == [False, True]


@pytest.mark.skipif(not DATA.exists(), reason=f"needs {DATA}")
@pytest.mark.parametrize("method", ["focei", "fo"])
def test_an_omega_that_runs_to_singular_is_an_end_with_errors_and_said(method: Method) -> None:
    cohort = SETS["sim_datasim"].cohort()
    objective, theta = objective_of(cohort, method), cohort.theta
    state, here = search(objective, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
    assert state.why == "converged"
    if method == "focei":
        assert here.total < SETS["sim_datasim"].said["references"][0]["ofv"] + 0.01
    # The gradient is that of the objective there, where Omega has a direction with next to no variance.
    for at in (0, 4, 6, 7):
        step = np.zeros(theta.size)
        step[at] = 1e-3
        up, down = (objective(here.vector + side * step, here).total for side in (1.0, -1.0))
        assert here.gradient[at] == pytest.approx((up - down) / 2e-3, abs=0.02)
    errors = uncertainty(objective, theta, here).errors("R")
    assert errors is not None
    assert np.isfinite(errors).all()
    (said,) = told_by_others(("V", "ke", "kd"), theta.unpack(here.vector).omega)
    assert said.startswith("the effect of kd is what those of V, ke make of it")


def test_where_nothing_is_finite_there_is_no_search() -> None:
    with pytest.raises(FloatingPointError, match="not finite at the values that the search begins with"):
        search(BOWL, State(np.array([40.0, 0.0])), lambda *_: None)


def test_the_scores_of_one_patient_alone_still_make_a_curvature() -> None:
    alone = Bowl(BOWL.centres[:1])(np.array([1.0, 1.0]))
    assert np.linalg.eigvalsh(scores_curvature(alone)).min() > 0


PUBLISHED = ("theophylline_additive", "phenobarbital_weight")

PUBLISHED_TOO = ("warfarin_pk", "bauer402", "bauer504", "drug1001", "sim_schnider", "sim_sparse", "sim_warfarin")


def fitted(name: str) -> None:
    """Fit a set from its start."""
    one = SETS[name]
    if not one.here:
        pytest.skip(f"needs {DATA / one.data}.csv")
    cohort, reference = one.cohort(), one.said["references"][0]
    objective, theta = Objective(cohort), cohort.theta
    state, here = search(objective, State(theta.pack(theta.start)), lambda *_: None)
    assert state.why == "converged"
    assert here.total < reference["ofv"] + 0.01
    # Fixed effects within a tenth of a standard error.
    published = theta.natural_of(one.population(cohort, reference["estimates"]))
    slopes = theta.natural_slopes(here.vector)
    errors = np.sqrt(np.diag(slopes @ np.linalg.inv(0.25 * here.score.T @ here.score) @ slopes.T))
    away = np.abs(theta.natural(here.vector) - published) / errors
    places = [element.kind == "place" for element in theta.elements]
    assert away[places].max() < 0.1
    assert away.max() < 0.2


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_fits_from_their_published_starts(name: str) -> None:
    fitted(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED_TOO)
def test_published_fits_of_larger_sets(name: str) -> None:
    fitted(name)
