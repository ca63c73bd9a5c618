"""Patients of one site are alike: they are missed by the square of a normal law, and left out together."""

from __future__ import annotations

import numpy as np
import pytest

from twin.arrays import Floats
from twin.covariates.alike import Alike, check_sites, folds_of
from twin.covariates.characteristics import CovariateError

SITE = np.array([0, 2, 1, 0, 2, 2, 3])

ALIKE = Alike(SITE, 0.5)


def given() -> tuple[Floats, Floats, Floats]:
    """Residuals, weights, and their covariance."""
    rng = np.random.default_rng(4)
    weight = rng.uniform(0.3, 1.0, len(SITE))
    return rng.normal(size=len(SITE)), weight, np.diag(1.0 / weight) + 2.0 * (SITE[:, None] == SITE)


def test_patients_are_missed_by_the_square_of_their_normal_law() -> None:
    residual, weight, covariance = given()
    precision = np.linalg.inv(covariance)
    assert ALIKE.missed(residual, weight) == pytest.approx(residual @ precision @ residual, rel=1e-12)
    np.testing.assert_allclose(weight * ALIKE.own(residual, weight), precision @ residual, rtol=1e-12)
    of_one = precision.sum(axis=0)
    assert ALIKE.mean(residual, weight) == pytest.approx(of_one @ residual / of_one.sum(), rel=1e-12)


def test_who_is_alone_is_missed_by_squares() -> None:
    residual, weight, _ = given()
    alone = Alike.alone(len(SITE))
    np.testing.assert_array_equal(alone.own(residual, weight), residual)
    assert alone.mean(residual, weight) == np.average(residual, weights=weight)


def test_what_is_dealt_out_anew_keeps_what_sites_have_in_common() -> None:
    residual, weight, _ = given()
    again = ALIKE.dealt(residual, weight, np.arange(len(SITE))) + ALIKE.mean(residual, weight)
    np.testing.assert_allclose(again, residual, rtol=1e-10)
    rng, site = np.random.default_rng(1), np.repeat(np.arange(30), 3)
    alike, weights = Alike(site, 0.5), rng.uniform(0.3, 1.0, 90)
    common = np.sqrt(2.0) * rng.normal(size=(4000, 30))[:, site]
    values = common + rng.normal(size=(4000, 90)) / np.sqrt(weights)
    inside = np.cov([alike.dealt(one, weights, rng.permutation(90)) for one in values], rowvar=False)
    # A thirtieth of what is common is taken for the mean.
    same = (site[:, None] == site) & ~np.eye(90, dtype=bool)
    assert inside[same].mean() == pytest.approx(2.0, rel=0.05)
    assert abs(inside[site[:, None] != site].mean()) < 0.1
    np.testing.assert_allclose(np.diag(inside), 2.0 + 1.0 / weights, rtol=0.15)


def test_whole_sites_are_dealt_into_folds_that_are_about_even() -> None:
    site = np.repeat(np.arange(11), 7)
    fold = folds_of(site, 5, 1)
    assert all(len(set(fold[site == one])) == 1 for one in range(11))
    assert sorted(np.bincount(fold)) == [14, 14, 14, 14, 21]
    assert sorted(np.bincount(folds_of(np.arange(12), 5, 3))) == [2, 2, 2, 3, 3]
    assert len(set(folds_of(np.array([0, 0, 1, 1]), 5, 1))) == 2


def test_two_sites_are_too_few_to_leave_one_out() -> None:
    check_sites(np.array([0, 1, 2]))
    with pytest.raises(CovariateError, match="2 sites are too few to leave whole ones out; 3 at least, or leave isv"):
        check_sites(np.array([0, 1, 0]))
