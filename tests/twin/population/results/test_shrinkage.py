"""Shrinkage is 0 where effects scatter as the population does, and leaves out whom nothing is known of."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.test_objective import at_start, objective, oral
from twin.population.results.shrinkage import shrinkage


def test_effects_that_scatter_as_omega_do_not_shrink() -> None:
    of = objective(oral())
    here = at_start(of)
    omega = np.cov(here.eta.T)
    found = shrinkage(of.cohort, omega, here.eta, of.iwres(here))
    assert found.sd == pytest.approx({"k": 0.0, "V": 0.0}, abs=1e-12)
    halved = shrinkage(of.cohort, omega, 0.5 * here.eta, of.iwres(here))
    assert halved.sd == pytest.approx({"k": 0.5, "V": 0.5})
    assert halved.variance == pytest.approx({"k": 0.75, "V": 0.75})


def test_residuals_are_weighted_by_their_size() -> None:
    of = objective(oral())
    here = at_start(of)
    population = of.cohort.theta.start
    everybody = np.arange(3)
    f = of.predictions(everybody, of.z(here.eta)[:, None], population)[:, 0]
    y = np.array([o.value for subject in of.cohort.subjects for o in subject.observations])
    np.testing.assert_allclose(of.iwres(here), (y - f) / (0.2 * f))
    spread = np.std((y - f) / (0.2 * f), ddof=1)
    found = shrinkage(of.cohort, population.omega, here.eta, of.iwres(here))
    assert found.residual["plasma"] == pytest.approx(1 - spread)
