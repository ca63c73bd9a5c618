"""A likelihood by draws is the integral, its score the slope, and its error what it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from tests.twin.filter.test_posthoc import between_occasions
from tests.twin.population.importance.test_density import LIMITS, cohort_of
from tests.twin.population.test_objective import LINES, oral
from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.importance.covering import first_proposals
from twin.population.importance.density import Density
from twin.population.importance.draws import even_draws, paired_draws
from twin.population.importance.sampled import Sample
from twin.population.residuals import LOG_2PI


def sample_of(cohort: Cohort, standard: Floats) -> tuple[Sample, Floats]:
    density = Density(cohort)
    vector = cohort.theta.pack(cohort.theta.start)
    return Sample(density, vector, first_proposals(density, vector), standard), vector


def names_of(cohort: Cohort) -> list[str]:
    return [subject.id for subject in cohort.subjects]


def by_grid(cohort: Cohort) -> Floats:
    """log L (N,) by the trapezoidal rule over both effects, which errs by next to nothing."""
    density, population = Density(cohort), cohort.theta.start
    axes = [np.linspace(-6, 6, 81) * np.sqrt(v) for v in np.diag(population.omega)]
    eta = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    z = np.zeros((len(cohort), len(eta), cohort.size))
    z[:, :, :2] = eta
    log_y = density.of(density.read(z, population.place), population.errors)
    log_prior = (
        -0.5 * (np.einsum("si,ij,sj->s", eta, population.precision("omega"), eta) + population.log_det("omega"))
        - LOG_2PI
    )
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    return np.asarray(np.log((np.exp(log_y + log_prior) * cell).sum(axis=1)))


@pytest.mark.parametrize("lines", [LINES, LIMITS])
def test_it_is_the_integral_over_the_effects(lines: tuple[str, ...]) -> None:
    cohort = cohort_of(oral(), lines)
    expected, names = by_grid(cohort), names_of(cohort)
    even, vector = sample_of(cohort, even_draws(names, 1, 4096, 2))
    np.testing.assert_allclose(even.likelihood(vector).log, expected, atol=0.005)
    paired, _ = sample_of(cohort, paired_draws(names, 1, 4000, 2))
    found = paired.likelihood(vector, paired=True)
    assert (np.abs(found.log - expected) < 4 * found.error).all()


def test_its_error_is_that_of_its_scatter() -> None:
    cohort = cohort_of(oral(), LINES)
    runs = []
    for seed in range(30):
        sample, vector = sample_of(cohort, paired_draws(names_of(cohort), seed, 400, 2))
        runs.append(sample.likelihood(vector, score=False, paired=True))
    scatter = np.std([run.log.sum() for run in runs], ddof=1)
    said = np.mean([np.sqrt((run.error**2).sum()) for run in runs])
    assert 0.5 < scatter / said < 2.0


@pytest.mark.parametrize("lines", [LINES, LIMITS])
def test_its_score_is_what_differences_say(lines: tuple[str, ...]) -> None:
    cohort = cohort_of(oral(), lines)
    sample, vector = sample_of(cohort, even_draws(names_of(cohort), 1, 200, 2))
    score = sample.likelihood(vector).score
    for at in range(len(vector)):
        step = 1e-5 * np.eye(len(vector))[at]
        up, down = (sample.likelihood(vector + side * step, score=False).log for side in (1, -1))
        np.testing.assert_allclose(score[:, at], (up - down) / 2e-5, rtol=1e-4, atol=1e-5)


def test_predictions_move_with_a_typical_value_that_has_no_effect() -> None:
    cohort = cohort_of(oral(), LINES)
    at = cohort.theta.names.index("ka")
    sample, vector = sample_of(cohort, even_draws(names_of(cohort), 1, 500, 2))
    moved = vector + 1e-3 * np.eye(len(vector))[at]
    anew = Sample(
        Density(cohort), moved, first_proposals(Density(cohort), vector), even_draws(names_of(cohort), 1, 500, 2)
    )
    np.testing.assert_allclose(sample.likelihood(moved).log, anew.likelihood(moved).log, atol=1e-5)


def test_posterior_moments_are_those_of_the_weights() -> None:
    cohort = cohort_of(oral(), LINES)
    sample, vector = sample_of(cohort, even_draws(names_of(cohort), 1, 2048, 2))
    found = sample.likelihood(vector)
    assert (np.linalg.eigvalsh(found.covariance) > 0).all()
    assert (np.diagonal(found.covariance, axis1=1, axis2=2) < np.diag(cohort.theta.start.omega)).all()
    assert (found.size > 0.3).all()


def test_terms_without_the_prior_of_eta_make_the_likelihood_with_it_also_between_occasions() -> None:
    cohort = cohort_of(between_occasions(), LINES)
    population, d = cohort.theta.start, len(cohort.theta.start.omega)
    assert cohort.effects > d
    sample, vector = sample_of(cohort, even_draws(names_of(cohort), 1, 64, cohort.effects))
    eta = sample.eta[:, :, :d]
    along = np.einsum("nsi,ij,nsj->ns", eta, population.precision("omega"), eta)
    terms = sample.without_prior() - 0.5 * (along + population.log_det("omega") + d * LOG_2PI)
    np.testing.assert_allclose(special.logsumexp(terms, axis=1) - np.log(64), sample.likelihood(vector).log, rtol=1e-10)
