"""Who lacks a characteristic has the wider prior that the model gives it then, by every method."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import stats

from tests.twin import toys
from tests.twin.population.diagnostics.cohorts import OMEGA, SD, TIMES, cohort_of, straight
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.importance.covering import covering, first_proposals
from twin.population.importance.density import Density
from twin.population.laplace.laplace import LaplaceObjective
from twin.population.nonparametric.support import refuse
from twin.population.objective import Objective
from twin.population.theta import FitError

WIDER = 0.3
"""Variance of the slope that is added where WT was not reported."""


@functools.cache
def cohort() -> Cohort:
    """Lines whose slope hangs on a weight, which of every second patient nobody reported."""
    told = f'missing = {{ widens = {{ slope = {WIDER} }}, source = "made up" }}\n'
    effect = 'expression = "slope*(1 + 0.01*(WT - 70)/unit)"'
    text = straight().text.replace("[parameters.slope]\n", f"[parameters.slope]\n{effect}\n")
    text += f'[covariates.WT]\nunit = "kg"\nreference = 70\n{toys.SOURCE}\n{told}'
    text += f'[parameters.unit]\nvalue = 1\nunit = "kg"\n{toys.SOURCE}\n[fit]\nfixed = ["unit"]\n'
    rng, lines = np.random.default_rng(4), ["ID,TIME,EVID,AMT,DV,WT"]
    for i in range(1, 7):
        slope = 1.5 + 0.8 * rng.normal()
        lines += [f"{i},{t},0,.,{10 + slope * t + SD * rng.normal():.5f},{'.' if i % 2 else 70}" for t in TIMES]
    return cohort_of(parse_model(text, "lines.toml"), lines, "line")


def exact() -> list[float]:
    """-2 log likelihood of each patient without n log(2 pi): y is normal, and its covariance known."""
    found, t = [], np.array(TIMES)
    design = np.stack([np.ones_like(t), t], axis=1)
    for i, subject in enumerate(cohort().subjects, start=1):
        omega = OMEGA + np.diag([0.0, WIDER if i % 2 else 0.0])
        law = stats.multivariate_normal(10 + 1.5 * t, design @ omega @ design.T + SD**2 * np.eye(len(t)))
        found.append(-2.0 * law.logpdf([o.value for o in subject.observations]) - len(t) * np.log(2 * np.pi))
    return found


@pytest.mark.parametrize("kind", [Objective, LaplaceObjective])
def test_the_objective_is_that_of_the_wider_prior_and_so_is_its_gradient(
    kind: type[Objective],
) -> None:
    of, theta = kind(cohort()), cohort().theta
    assert cohort().columns.widened
    vector = theta.pack(theta.start)
    found = of(vector, thorough=True)
    np.testing.assert_allclose(found.ofv, exact(), atol=2e-5)
    for at, score in enumerate(found.score.T):
        step = np.eye(theta.size)[at] * 1e-3
        up, down = (of(vector + side * step, found, thorough=True) for side in (1.0, -1.0))
        np.testing.assert_allclose(score, (up.ofv - down.ofv) / 2e-3, atol=2e-3, err_msg=theta.names[at])


def test_draws_have_the_wider_prior() -> None:
    density, theta = Density(cohort()), cohort().theta
    vector = theta.pack(theta.start)
    sample, _ = covering(density, vector, first_proposals(density, vector), 1)
    found = sample.likelihood(vector)
    np.testing.assert_allclose(-2.0 * found.log, exact(), atol=0.05)
    by_modes = Objective(cohort())(vector, thorough=True)
    np.testing.assert_allclose(-2.0 * found.score, by_modes.score, atol=0.2)


def test_support_points_refuse_it_by_name() -> None:
    with pytest.raises(FitError, match=r"has patients whose prior is wider \(\[covariates.X.missing\] widens\)"):
        refuse(cohort())
