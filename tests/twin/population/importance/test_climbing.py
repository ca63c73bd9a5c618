"""The climb ends where the likelihood is highest, from wherever it begins, and says when it did not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.twin.population.diagnostics.cohorts import cohort_of as of_table
from tests.twin.population.importance.test_density import LIMITS, cohort_of
from tests.twin.population.mixture.mixtures import concentrations, eliminated
from tests.twin.population.published.sets import DATA, SETS
from tests.twin.population.test_objective import LINES, oral
from twin.population.importance import climbing
from twin.population.importance.climbing import SampledObjective, climb, exact_likelihood
from twin.population.importance.covering import first_proposals
from twin.population.importance.density import Density
from twin.population.importance.draws import Proposals, paired_draws
from twin.population.importance.sampled import Sample
from twin.population.results.uncertainty import hessian, uncertainty
from twin.population.theta import FitError


@pytest.mark.skipif(not DATA.exists(), reason=f"needs {DATA}")
def test_theophylline_ends_at_the_exact_maximum() -> None:
    one = SETS["theophylline_additive"]
    cohort = one.cohort()
    density, theta = Density(cohort), cohort.theta
    told: list[int] = []
    climbed = climb(density, theta.pack(theta.start), told=lambda number, *_: told.append(number))
    assert climbed.why == "converged"
    assert told == list(range(1, len(climbed.rounds) + 1))
    reference = one.said["verified"]["at_published"][0]
    published = theta.pack(one.population(cohort, one.said["references"][0]["estimates"]))
    there = exact_likelihood(density, published, first_proposals(density, published), draws=8000)
    assert there.minus_2_log == pytest.approx(
        reference["exact_minus2ll"], abs=3 * np.hypot(there.error, reference["mc_se"])
    )
    found = exact_likelihood(density, climbed.vector, climbed.proposals)
    assert found.minus_2_log < reference["exact_minus2ll"] + 2 * found.error
    # The gradient there, in standard errors, is nothing.
    objective = SampledObjective(climbed.sample)
    here = objective(climbed.vector)
    certainty = uncertainty(objective, theta, here)
    errors = np.sqrt(np.diag(certainty.vector_covariance["R"]))
    assert np.abs(0.5 * here.gradient * errors).max() < 0.05
    # Another start, and other draws, end there too.
    other = climb(density, theta.pack(theta.start) + 0.3, seed=2)
    assert np.abs((other.vector - climbed.vector) / errors).max() < 0.3


def test_standard_errors_are_of_curves_that_predictions_move_along() -> None:
    """A ratio that nobody differs in moves what is predicted of whom it may concern, far from what they have."""
    table, _ = concentrations(60, 1)
    cohort = of_table(eliminated(), table.strip().split("\n"))
    density, theta = Density(cohort), cohort.theta
    vector = theta.pack(theta.start)
    names = [subject.id for subject in cohort.subjects]
    proposals, standard = first_proposals(density, vector), paired_draws(names, 1, 400, 2)
    sample = Sample(density, vector, proposals, standard)
    objective = SampledObjective(sample)
    at, h = theta.names.index("ratio"), 1e-3
    step = h * np.eye(theta.size)[at]
    up, down = (Sample(density, vector + side * step, proposals, standard) for side in (1.0, -1.0))
    solved = -2.0 * (up.likelihood(up.vector).slope - down.likelihood(down.vector).slope)[at] / (2.0 * h)
    assert hessian(objective, objective(vector))[at, at] == pytest.approx(solved, rel=0.01)


def test_what_overflows_where_the_search_by_modes_does_not_stay_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    sought = climbing.sought

    def too_far(*given: Any) -> Any:
        assert np.isinf(np.array([1e308]) * 10.0).all()
        return sought(*given)

    monkeypatch.setattr(climbing, "sought", too_far)
    cohort = cohort_of(oral(), LINES)
    vector, _ = climbing.by_modes(Density(cohort), cohort.theta.pack(cohort.theta.start))
    assert np.isfinite(vector).all()


def test_what_does_not_arrive_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(climbing, "MOST_ROUNDS", 1)
    cohort = cohort_of(oral(), LINES)
    climbed = climb(Density(cohort), cohort.theta.pack(cohort.theta.start))
    assert climbed.why == "not converged after 1 rounds"


def test_values_that_no_draw_makes_possible_are_of_a_named_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = cohort_of(oral(), LIMITS)
    far = Proposals(np.full((2, 2), 1e4), np.repeat(np.eye(2)[None], 2, axis=0))
    monkeypatch.setattr(climbing, "by_modes", lambda _, start: (start, far))
    with pytest.raises(FitError, match="patient 1: no draw"):
        climb(Density(cohort), cohort.theta.pack(cohort.theta.start))
