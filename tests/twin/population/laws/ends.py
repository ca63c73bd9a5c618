"""Ends of fits, held to a maximum of the likelihood that is known another way."""

from __future__ import annotations

import numpy as np

from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.importance.climbing import climb
from twin.population.importance.density import Density
from twin.population.objective import Evaluation, Objective
from twin.population.results.uncertainty import uncertainty
from twin.population.sampling.saem import settle

Maximum = tuple[Floats, Floats]
"""The vector (K,), and standard errors of it (K,) by the curvature there."""


def assert_modes_end(objective: Objective, why: str, here: Evaluation, known: Maximum, off: float, rtol: float) -> None:
    """A search by modes ended within ``off`` standard errors, and tells these."""
    best, errors = known
    assert why == "converged"
    assert np.abs((here.vector - best) / errors).max() < off
    told = np.sqrt(np.diag(uncertainty(objective, objective.cohort.theta, here).vector_covariance["R"]))
    np.testing.assert_allclose(told, errors, rtol=rtol)


def assert_climb_ends(cohort: Cohort, start: Floats, known: Maximum) -> None:
    """The climb by draws ends within a tenth of a standard error."""
    best, errors = known
    found = climb(Density(cohort), start)
    assert found.why == "converged"
    assert np.abs((found.vector - best) / errors).max() < 0.1


def assert_chains_end(cohort: Cohort, start: Floats, known: Maximum) -> None:
    """Stochastic approximation ends within 0.15."""
    best, errors = known
    found = settle(Density(cohort), start)
    assert found.why == "converged"
    assert np.abs((found.vector - best) / errors).max() < 0.15
