"""Whole sites come to their modes from afar, and who is there already stays."""

from __future__ import annotations

import numpy as np

from tests.twin.population.sites import outcomes
from twin.population.laplace.site_modes import together
from twin.population.laplace.site_objective import LaplaceSiteObjective
from twin.population.sites.arrow import by_site


def test_sites_that_are_far_come_to_their_modes_and_others_stay() -> None:
    of = LaplaceSiteObjective(outcomes.limited_bolus())
    theta = of.cohort.theta
    here = of(theta.pack(theta.start))
    population = theta.unpack(here.vector)
    point = of.site_point(population, population.prior(of.cohort.parts)[1])
    away = np.array([0.0, 1.0, 0.0, 1.0])[point.site]
    psi = here.eta + away[:, None] * np.random.default_rng(2).normal(0.0, 0.8, here.eta.shape)
    far = by_site(away, point.site) > 0.0
    found = together(point, psi, far, 1e-10)
    np.testing.assert_array_equal(found[away == 0.0], psi[away == 0.0])
    np.testing.assert_allclose(found, here.eta, atol=2e-4)
