"""CWRES are the whitened residual exactly where a model is linear, and refuse what has no density."""

from __future__ import annotations

import numpy as np

from tests.twin.population.diagnostics import cohorts
from twin.population.diagnostics.residuals import residuals, weighted
from twin.population.laplace.methods import objective_of


def test_two_values_are_whitened_as_on_paper() -> None:
    # C = [[2, 1], [1, 2]] has roots 3 and 1 along (1, 1) and (1, -1).
    slope, eta = np.array([[1.0], [1.0]]), np.array([0.4])
    found = weighted(np.array([3.0, 1.0]), np.array([1.4, 1.4]), slope, np.eye(2), eta, np.ones((1, 1)))
    along, across = (2.0 + 0.0) / np.sqrt(2) / np.sqrt(3), (2.0 - 0.0) / np.sqrt(2)
    np.testing.assert_allclose(found, [(along + across) / np.sqrt(2), (along - across) / np.sqrt(2)])


def test_of_a_linear_model_they_do_not_depend_on_the_modes() -> None:
    cohort = cohorts.drawn_line(6)
    objective = objective_of(cohort, "focei")
    here = objective(cohort.theta.pack(cohort.theta.start))
    found = residuals(objective, here)
    t = np.array(cohorts.TIMES)
    design = np.column_stack([np.ones_like(t), t])
    values, vectors = np.linalg.eigh(design @ cohorts.OMEGA @ design.T + cohorts.SD**2 * np.eye(len(t)))
    root = (vectors / np.sqrt(values)) @ vectors.T
    y = np.array([[o.value for o in subject.observations] for subject in cohort.subjects])
    np.testing.assert_allclose(found.cwres.reshape(6, -1), (y - (10.0 + 1.5 * t)) @ root, atol=1e-6)
    np.testing.assert_allclose(found.pred.reshape(6, -1), np.tile(10.0 + 1.5 * t, (6, 1)))
    own = here.eta @ design.T + 10.0 + 1.5 * t
    np.testing.assert_allclose(found.ipred.reshape(6, -1), own, rtol=1e-9)
    np.testing.assert_allclose(found.iwres.reshape(6, -1), (y - own) / cohorts.SD, atol=1e-8)


def test_replicates_are_whitened_with_what_they_have_in_common() -> None:
    cohort = cohorts.replicated()
    objective = objective_of(cohort, "laplace")
    found = residuals(objective, objective(cohort.theta.pack(cohort.theta.start)))
    t = np.repeat(cohorts.TIMES, 2)
    design = np.column_stack([np.ones_like(t), t])
    values, vectors = np.linalg.eigh(design @ cohorts.OMEGA @ design.T + cohorts.scatter_of_replicates())
    y = np.array([[o.value for o in subject.observations] for subject in cohort.subjects])
    whitened = (y - (10.0 + 1.5 * t)) @ (vectors / np.sqrt(values)) @ vectors.T
    np.testing.assert_allclose(found.cwres.reshape(3, -1), whitened, atol=1e-5)


def test_without_interaction_the_residual_variance_is_that_of_the_typical_patient() -> None:
    from tests.twin.population.test_objective import at_start, objective, oral

    cohort = objective(oral()).cohort
    found = {}
    for method in ("foce", "focei"):
        of = objective_of(cohort, method)  # type: ignore[arg-type]
        found[method] = residuals(of, at_start(of))
    assert not np.allclose(found["foce"].cwres, found["focei"].cwres, rtol=0.01)
    np.testing.assert_array_equal(found["foce"].pred, found["focei"].pred)


def test_what_is_known_by_a_limit_and_a_category_have_none() -> None:
    cohort = cohorts.mixed()
    objective = objective_of(cohort, "laplace")
    found = residuals(objective, objective(cohort.theta.pack(cohort.theta.start)))
    every = [o for subject in cohort.subjects for o in subject.observations]
    graded = np.array([o.output == 1 for o in every])
    limited = np.array([o.below is not None for o in every])
    assert limited.sum() > 10
    assert np.isnan(found.cwres[graded | limited]).all()
    assert np.isnan(found.iwres[graded | limited]).all()
    assert np.isfinite(found.cwres[~graded & ~limited]).all()
    assert (found.pred[graded] > 0).all()
