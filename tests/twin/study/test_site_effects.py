"""Made-up patients of one site share what is drawn for it, and others do not."""

from __future__ import annotations

import numpy as np

from tests.twin import toys
from tests.twin.population.sites import clinics
from twin.study.site_effects import effects_of, moved_to_site, shared_effects


def test_patients_of_one_site_share_its_effects_in_one_study() -> None:
    model = clinics.bolus()
    shared = shared_effects(model, {"SITE": 4.0}, 1)
    assert shared is not None
    np.testing.assert_array_equal(shared, shared_effects(model, {"SITE": 4.0}, 1))
    for other, study in ((5.0, 1), (4.0, 2)):
        assert (shared != shared_effects(model, {"SITE": other}, study)).all()
    z = np.array([0.3, -1.0])
    own = effects_of(model, z, {"SITE": 4.0}, 1)
    np.testing.assert_allclose(list(own.values()), np.sqrt([0.16, 0.09]) * z + shared)


def test_who_is_alone_has_the_covariance_of_both_together() -> None:
    model = clinics.bolus()
    assert shared_effects(model, {"SITE": 0.0}, 1) is None
    z = np.array([0.3, -1.0])
    np.testing.assert_allclose(
        list(effects_of(model, z, {"SITE": 0.0}, 1).values()), np.linalg.cholesky(model.omega) @ z
    )
    assert shared_effects(toys.bolus(), {}, 1) is None


def test_effects_over_many_sites_have_their_covariance() -> None:
    model = clinics.bolus()
    found = np.array([shared_effects(model, {"SITE": float(site)}, 1) for site in range(1, 3001)])
    np.testing.assert_allclose(np.cov(found.T), model.omega_isv, atol=0.006)


def test_a_patient_who_is_moved_is_the_same_in_another_site() -> None:
    model, z = clinics.bolus(), np.array([0.3, -1.0])
    before = effects_of(model, z, {"SITE": 0.0}, 1)
    there = moved_to_site(model, before, {"SITE": 0.0}, {"SITE": 3.0}, (1, "x"))
    np.testing.assert_allclose(list(there.values()), list(effects_of(model, z, {"SITE": 3.0}, "x").values()))
