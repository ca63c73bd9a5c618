"""Steps lead to where psi and the effects of sites balance, and how it all responds is what is found there."""

from __future__ import annotations

import numpy as np

from tests.twin.population.mixture import clinics
from twin.population.laplace.mixed_sites.objective import MixedSiteObjective
from twin.population.laplace.mixed_sites.point import MixedSitePoint
from twin.population.objective import Objective


def point_of() -> MixedSitePoint:
    """At the values of `clinics.eliminated_in_clinics`."""
    cohort = clinics.of_eliminated()
    population = cohort.theta.start
    return MixedSitePoint(Objective(cohort), population, population.prior(cohort.parts)[1])


def test_steps_lead_back_to_where_modes_and_effects_of_sites_balance() -> None:
    point = point_of()
    of = MixedSiteObjective(clinics.of_eliminated())
    modes = of(of.cohort.theta.pack(of.cohort.theta.start))
    assert modes.posterior is not None
    rng = np.random.default_rng(4)
    psi = modes.eta + rng.normal(0.0, 0.03, modes.eta.shape)
    b = point.likely(psi, modes.posterior) + rng.normal(0.0, 0.05, (int(point.site.max()) + 1, 2))
    for _ in range(12):
        here = point.stands(psi, b)
        step, step_b, remains = here.step()
        psi, b = psi + step, b + step_b
    assert remains.max() < 1e-9
    np.testing.assert_allclose(psi, modes.eta, atol=1e-4)
    np.testing.assert_allclose(point.likely(psi, here.mixed.posterior), b, atol=1e-4)
    np.testing.assert_allclose(here.balance, 0.0, atol=1e-3)


def test_whoever_is_alone_has_effects_of_the_site_for_each_class() -> None:
    point = point_of()
    alone = np.flatnonzero(np.array(clinics.CLINICS) == 0)
    own = point.site.reshape(-1, 2)
    assert (own[alone, 0] != own[alone, 1]).all()
    others = np.delete(own, alone, axis=0)
    np.testing.assert_array_equal(others[:, 0], others[:, 1])
    here = point.stands(np.zeros((len(point.site), 2)), np.zeros((int(point.site.max()) + 1, 2)))
    np.testing.assert_array_equal(here.weight.reshape(-1, 2)[alone], 1.0)
