"""Numbers of the laws of errors and effects move every objective as differences say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.laws.simulated import LAWS, begun, drawn, model
from twin.population.importance.covering import first_proposals
from twin.population.importance.density import Density
from twin.population.importance.draws import even_draws
from twin.population.importance.sampled import Sample
from twin.population.laplace.methods import objective_of
from twin.population.objective import Method

CASES: list[tuple[str, Method]] = [
    ("power", "focei"), ("power", "foce"), ("power", "fo"), ("power", "laplace"),
    ("student", "laplace"), ("outliers", "laplace"), ("replicates", "laplace"),
    ("transformed", "focei"), ("transformed", "foce"), ("transformed", "fo"), ("transformed", "laplace"),
    ("skewed", "focei"), ("skewed", "foce"), ("skewed", "fo"), ("skewed", "laplace"),
]  # fmt: skip


@pytest.mark.parametrize(("law", "method"), CASES)
def test_of_methods_by_modes(law: str, method: Method) -> None:
    cohort, _ = drawn(model(law), 1, patients=3)
    objective, vector = objective_of(cohort, method), begun(cohort, law)
    first = objective(vector)
    first = objective(vector, first)
    for at, name in enumerate(cohort.theta.names):
        if name.startswith(("error.", "shape.")):
            step = 1e-3 * np.eye(len(vector))[at]
            up, down = (objective(vector + side * step, first) for side in (1, -1))
            np.testing.assert_allclose(
                first.score[:, at], (up.ofv - down.ofv) / 2e-3, rtol=1e-3, atol=1e-3, err_msg=f"{law} {name}"
            )
            np.testing.assert_allclose(first.moves[:, :, at], (up.eta - down.eta) / 2e-3, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("law", LAWS)
def test_of_a_likelihood_by_draws(law: str) -> None:
    cohort, _ = drawn(model(law), 1, patients=3)
    density, vector = Density(cohort), begun(cohort, law)
    draws = even_draws([subject.id for subject in cohort.subjects], 1, 200, cohort.effects)
    sample = Sample(density, vector, first_proposals(density, vector), draws)
    score = sample.likelihood(vector).score
    for at, name in enumerate(cohort.theta.names):
        if name.startswith(("error.", "shape.")):
            step = 1e-4 * np.eye(len(vector))[at]
            up, down = (sample.likelihood(vector + side * step, score=False).log for side in (1, -1))
            np.testing.assert_allclose(score[:, at], (up - down) / 2e-4, rtol=1e-3, atol=1e-4, err_msg=f"{law} {name}")
