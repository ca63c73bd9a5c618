"""Whom draws do not cover they cover again after some turns, from wherever these were made, and nobody else moves."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from tests.twin.population.diagnostics.cohorts import cohort_of as of_table
from tests.twin.population.importance.test_density import cohort_of
from tests.twin.population.importance.test_thin import alike, together
from tests.twin.population.mixture.mixtures import concentrations, eliminated
from tests.twin.population.simulated.sets import effect
from tests.twin.population.sites import clinics
from tests.twin.population.test_drift import cohort
from twin.arrays import Floats
from twin.population.importance.climbing import exact_likelihood
from twin.population.importance.covering import (
    ENOUGH,
    adapted,
    covering,
    first_proposals,
    followed,
    recovered,
    tempered,
)
from twin.population.importance.density import Density
from twin.population.importance.draws import Proposals, even_draws
from twin.population.importance.sampled import Likelihood, Sample
from twin.population.objective import Objective


@functools.cache
def eight_effects() -> tuple[Density, Floats, Proposals]:
    """Ten patients with eight effects each, some of whose posteriors bend, and proposals around their modes."""
    cohort = effect(1, 10).cohort()
    density, vector = Density(cohort), cohort.theta.pack(cohort.theta.start)
    return density, vector, first_proposals(density, vector)


def seen(density: Density, vector: Floats, proposals: Proposals, seed: int = 1) -> Likelihood:
    names = [subject.key for subject in density.cohort.subjects]
    draws = even_draws(names, seed, 1000, density.cohort.effects)
    return Sample(density, vector, proposals, draws).likelihood(vector, score=False)


def as_wide_as_the_prior(of: Proposals, prior: Floats, few: list[int]) -> Proposals:
    """Those of some patients around 0 with half of the prior's covariance, which eight effects never cover."""
    lost = Proposals.around(np.zeros((len(few), len(prior))), np.repeat(0.5 * prior[None], len(few), axis=0), prior)
    return of.replaced(np.array(few), lost)


def test_who_was_lost_is_covered_again_and_others_stay() -> None:
    density, vector, proposals = eight_effects()
    prior = density.cohort.theta.unpack(vector).prior(density.cohort.parts)[0]
    lost = as_wide_as_the_prior(proposals, prior, [3, 7])
    before = seen(density, vector, lost)
    assert before.effective[[3, 7]].max() < 5.0
    after = recovered(density, vector, adapted(before, prior, lost), np.array([3, 7]), 1)
    assert seen(density, vector, after).effective[[3, 7]].min() > ENOUGH
    alone = adapted(before, prior, lost)
    others = [n for n in range(10) if n not in (3, 7)]
    np.testing.assert_array_equal(after.mean[others], alone.mean[others])
    np.testing.assert_array_equal(after.factor[others], alone.factor[others])


def test_proposals_that_follow_stay_where_they_cover() -> None:
    """Turn after turn, with the same draws: no patient's are lost as they are made anew of those before."""
    density, vector, proposals = eight_effects()
    least = []
    for _ in range(5):
        found = seen(density, vector, proposals)
        least.append(found.effective.min())
        proposals = followed(density, vector, found, proposals, 1)
    assert min(least) > ENOUGH


def test_the_likelihood_counts_whom_first_draws_missed() -> None:
    density, vector, proposals = eight_effects()
    prior = density.cohort.theta.unpack(vector).prior(density.cohort.parts)[0]
    right = exact_likelihood(density, vector, proposals)
    found = exact_likelihood(density, vector, as_wide_as_the_prior(proposals, prior, [3, 7]))
    assert found.size > 0.02
    assert found.ofv == pytest.approx(right.ofv, abs=4.0 * np.hypot(found.error, right.error))


def test_who_lies_beside_the_plane_of_a_singular_omega_is_covered_again() -> None:
    cohort = cohort_of(together(1e-6), alike(6))
    density, vector = Density(cohort), cohort.theta.pack(cohort.theta.start)
    few = np.array([1, 4])
    beside = Proposals(np.zeros((2, 2)), np.repeat(0.3 * np.eye(2)[None], 2, axis=0))
    lost = first_proposals(density, vector).replaced(few, beside)
    assert seen(density, vector, lost).effective[few].max() < 20.0
    assert seen(density, vector, recovered(density, vector, lost, few, 1)).effective[few].min() > ENOUGH


def test_members_of_a_mixture_are_covered_in_every_class() -> None:
    table, _ = concentrations(12, 1)
    cohort = of_table(eliminated(), table.strip().split("\n"))
    density, vector = Density(cohort), cohort.theta.pack(cohort.theta.start)
    proposals = first_proposals(density, vector)
    right, far = seen(density, vector, proposals), np.array([5])
    lost = proposals.replaced(far, Proposals(proposals.mean[far] + 1.5, proposals.factor[far]))
    found = seen(density, vector, recovered(density, vector, lost, far, 1))
    np.testing.assert_allclose(found.mean[far], right.mean[far], atol=0.05)


def test_of_sites_whole_ones_are_drawn_anew() -> None:
    cohort = clinics.of_bolus(clinics.bolus_values())
    density, vector = Density(cohort), cohort.theta.pack(cohort.theta.start)
    proposals = first_proposals(density, vector)
    right, far = seen(density, vector, proposals), np.array([4])
    lost = proposals.replaced(far, Proposals(proposals.mean[far] + 2.0, 0.3 * proposals.factor[far]))
    assert seen(density, vector, lost).effective[4] < ENOUGH
    after = recovered(density, vector, lost, far, 1)
    assert seen(density, vector, after).effective[4] > ENOUGH
    np.testing.assert_allclose(seen(density, vector, after).mean[4], right.mean[4], atol=0.05)
    others = [n for n in range(len(cohort)) if n != 4]
    np.testing.assert_array_equal(after.mean[others], lost.mean[others])


def test_the_likelihood_of_draws_that_cover_is_that_of_a_normal_model() -> None:
    """With fourteen effects, where conditional estimation is exact; of draws that proposals suit it is 4.9 off."""
    of = cohort("occasions", 40)
    density, vector = Density(of), of.theta.pack(of.theta.start)
    sample, _ = covering(density, vector, first_proposals(density, vector), 1)
    exact = Objective(of)(vector).total
    assert -2.0 * sample.likelihood(vector, score=False).total == pytest.approx(exact, abs=1.0)


def test_tempered_shares_leave_as_many_draws_as_are_asked_for() -> None:
    log = np.random.default_rng(1).normal(0.0, 8.0, (3, 1000))
    share = np.exp(log - log.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    found = tempered(share, 50.0)
    np.testing.assert_allclose(1.0 / (found * found).sum(axis=1), 50.0, rtol=0.01)
    np.testing.assert_array_equal(np.argsort(found, axis=1)[:, -5:], np.argsort(share, axis=1)[:, -5:])


def test_an_impossible_draw_has_no_part_in_what_follows() -> None:
    share = np.zeros((1, 100))
    share[0, 0] = 1.0
    np.testing.assert_array_equal(tempered(share, 50.0), share)
