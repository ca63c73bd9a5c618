"""Chains stay where the posterior is, one population for all or one for each, whoever else is there."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.sampling.test_saem import cohort_of_normal
from twin.arrays import Floats, Integers
from twin.population.cohort import Cohort
from twin.population.importance.density import Density
from twin.population.laplace.methods import usual_objective
from twin.population.means.means import Means
from twin.population.sampling.chains import Chains, believed
from twin.population.sampling.target import Target


def posterior(cohort: Cohort, vector: Floats) -> tuple[Floats, Floats]:
    """Means (N,) and variances of the one effect of a linear normal model, exactly."""
    objective = usual_objective(cohort)
    found = objective(vector)
    return found.eta[:, 0], found.covariance[:, 0, 0]


def walked(cohort: Cohort, vectors: Floats, sweeps: int, *, only_walk: bool = False) -> Floats:
    """Where chains were (N, sweeps, C), two of each population."""
    means = Means(cohort)
    known = believed(usual_objective(cohort), means, vectors[0])
    eta = np.zeros((len(cohort), 2 * len(vectors), cohort.effects))
    chains = Chains(cohort, means, eta, 3, seed=5)
    target, places = Target(Density(cohort), vectors), []
    for _ in range(sweeps):
        if only_walk:
            chains._walk(target, known, True)
        else:
            sweep = chains.sweep(target, known)
            assert sweep.share.sum(axis=1) == pytest.approx(1.0)
        places.append(chains.eta[:, :, 0].copy())
    return np.stack(places, axis=1)


@pytest.mark.parametrize("only_walk", [False, True])
def test_they_have_the_moments_of_the_posterior(only_walk: bool) -> None:
    cohort = cohort_of_normal().drawn(np.arange(4))
    vector = cohort.theta.pack(cohort.theta.start)
    places = walked(cohort, vector[None], 400, only_walk=only_walk)[:, 50:].reshape(4, -1)
    mean, variance = posterior(cohort, vector)
    assert (np.abs(places.mean(axis=1) - mean) / np.sqrt(variance) < 0.2).all()
    np.testing.assert_allclose(places.var(axis=1), variance, rtol=0.25)


def test_each_population_has_a_posterior_of_its_own() -> None:
    cohort = cohort_of_normal().drawn(np.arange(4))
    vector = cohort.theta.pack(cohort.theta.start)
    other = vector + 0.3
    places = walked(cohort, np.stack([vector, other]), 300)[:, 50:]
    for number, one in enumerate((vector, other)):
        mean, variance = posterior(cohort, one)
        mine = places[:, :, 2 * number : 2 * number + 2].reshape(4, -1)
        assert (np.abs(mine.mean(axis=1) - mean) / np.sqrt(variance) < 0.25).all()


def test_a_patient_walks_the_same_way_in_any_company() -> None:
    cohort = cohort_of_normal()
    vector = cohort.theta.pack(cohort.theta.start)[None]
    few: Integers = np.array([1, 3])
    together, apart = walked(cohort, vector, 5), walked(cohort.drawn(few), vector, 5)
    np.testing.assert_array_equal(together[few], apart)
