"""Effects of occasions are estimated beside those of patients, by either way of walking."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.filter.test_posthoc import between_occasions
from tests.twin.population.test_objective import timelines
from twin.kernel.kernel import compile_model
from twin.population.cohort import Cohort
from twin.population.importance import covering
from twin.population.importance.density import Density
from twin.population.objective import Objective
from twin.population.sampling.gibbs import sampled
from twin.population.sampling.saem import settle
from twin.population.search import State, search
from twin.population.theta import Theta
from twin.solver.step_control import step_sizes_for


def occasions(patients: int = 12) -> Cohort:
    """Two or three occasions of two values; a base of 4, variances 0.05 and 0.08, and an error of 0.15."""
    rng, lines = np.random.default_rng(6), ["ID,TIME,EVID,DV,OCC"]
    for patient in range(1, patients + 1):
        eta = np.sqrt(0.05) * rng.standard_normal()
        for occasion in range(1, 3 + patient % 2):
            kappa, begin = np.sqrt(0.08) * rng.standard_normal(), 24 * (occasion - 1)
            if occasion > 1:
                lines.append(f"{patient},{begin},2,.,{occasion}")
            for hour in (1, 2):
                value = 4 * np.exp(eta + kappa + 0.15 * rng.standard_normal())
                lines.append(f"{patient},{begin + hour},0,{value:.4f},{occasion}")
    model = between_occasions()
    kernel = compile_model(model)
    theta = Theta.of(model, fixed=("k",))
    return Cohort(kernel, step_sizes_for(kernel), timelines(model, tuple(lines)), theta)


def test_both_variances_are_those_of_the_exact_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covering, "EXACT", 300)
    cohort = occasions()
    start = cohort.theta.pack(cohort.theta.start)
    found = settle(Density(cohort), start)
    _, here = search(Objective(cohort), State(start), lambda *_: None)
    score = 0.5 * here.score
    errors = np.sqrt(np.diag(np.linalg.inv(score.T @ score)))
    assert (np.abs(found.vector - here.vector) / errors).max() < 0.2


def test_their_posterior_lies_around_it() -> None:
    cohort = occasions()
    found = sampled(Density(cohort), cohort.theta.pack(cohort.theta.start), warm=60, kept=60, most=60)
    low, _, high = found.quantiles
    truth = dict(zip(("Base", "omega.Base", "iov.Base", "error.marker.additive"), (4.0, 0.05, 0.08, 0.15), strict=True))
    for at, name in enumerate(found.names):
        assert low[at] < truth[name] * 1.3
        assert high[at] > truth[name] * 0.7
