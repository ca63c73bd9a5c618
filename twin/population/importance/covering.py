"""Proposals whose draws cover what is known of a patient.

They follow the posterior means and covariances that the last draws had (Cappe et al. 2004, J Comput Graph Stat 13:907).
Where one draw or two carry all the weight these are of nothing, and proposals made of them lie as badly as the last, or
worse. So weights are tempered first, w^beta with the largest beta that leaves enough effective draws: what is left is
between the last proposals and the posterior, and a few turns lead to it (Koblents & Miguez 2015, Stat Comput 25:407).
Those turns are made with draws of whom they concern alone; nobody else is solved again. Where a share of draws has the
weight that is too small for an ellipse, proposals are in two parts (`twin.population.importance.two_parts`).
"""

from __future__ import annotations

import numpy as np

from twin.arrays import Floats, Integers
from twin.population.cohort import Cohort
from twin.population.importance.density import Density
from twin.population.importance.draws import Proposals, even_draws, moments
from twin.population.importance.sampled import Likelihood, Sample
from twin.population.importance.two_parts import in_two
from twin.population.laplace.methods import usual_objective
from twin.population.objective import Evaluation

EXACT = 1000
"""Draws of a patient by which proposals are judged and made."""

FEWEST = 20.0
"""Effective draws below which a patient's posterior is not trusted to be seen whole."""

ENOUGH = 50.0
"""Effective draws that means and covariances are made of at the least."""

TURNS = 8
"""Times that draws are made anew, at the most, of whom they do not cover."""

SEARCHED = 3
"""Turns after which modes are searched, from everywhere: where Omega is next to singular no tempering leads to its
plane."""

APART = 104729
"""What their seeds lie apart."""

PARTED, MOST_EFFECTS = 0.3, 10
"""Effective share of a patient's draws below which what is known of it is taken in two parts: of a normal posterior it
is 0.93 with one effect and 0.68 with ten. Of more effects draws are too few to tell parts."""

HALVINGS = 20
"""Of the interval in which beta lies."""


def first_proposals(density: Density, vector: Floats) -> Proposals:
    """Around each patient's mode at a vector, as first-order or, where values are other than normal, Laplace's method
    finds it."""
    return proposals_at(density.cohort, usual_objective(density.cohort)(np.asarray(vector)))


def proposals_at(cohort: Cohort, seen: Evaluation) -> Proposals:
    """Around the modes of an evaluation."""
    prior = cohort.theta.unpack(seen.vector).prior(cohort.parts)[0]
    return Proposals.around(seen.eta, seen.covariance, prior)


def adapted(found: Likelihood, prior: Floats, before: Proposals | None = None) -> Proposals:
    """Proposals by the means and covariances of the last draws, of whom few had any weight by tempered weights, and in
    two parts of whom many had little, or who had two ``before``; the ``prior`` (D, D) stands in for what is no
    covariance."""
    mean, covariance, share = found.mean.copy(), found.covariance, found.share
    effective = _effective(share)
    few = np.flatnonzero(effective < ENOUGH)
    if len(few):
        share = share.copy()
        share[few] = tempered(share[few], ENOUGH)
        mean[few], square = moments(found.eta[few], share[few])
        covariance[few] = square - mean[few, :, None] * mean[few, None, :]
    proposals = Proposals.around(mean, covariance, prior)
    if mean.shape[1] > MOST_EFFECTS:
        return proposals
    had = () if before is None or before.others is None else before.others.which
    many = np.union1d(np.flatnonzero(effective < PARTED * share.shape[1]), had).astype(np.int64)
    parts = {n: two for n in many.tolist() if (two := in_two(found.eta[n], share[n])) is not None}
    return proposals.in_parts(parts)


def tempered(share: Floats, enough: float) -> Floats:
    """Shares (N, S) of draws to a power between 0 and 1 each, the largest that leaves ``enough`` effective ones."""
    possible = share > 0.0
    log = np.log(np.where(possible, share, 1.0))
    log -= np.where(possible, log, -np.inf).max(axis=1, keepdims=True, initial=-1e300)
    low, high = np.zeros(len(share)), np.ones(len(share))
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        weight = possible * np.exp(middle[:, None] * log)
        left = weight.sum(axis=1) ** 2 >= enough * (weight * weight).sum(axis=1)
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    weight = possible * np.exp(low[:, None] * log)
    return np.asarray(weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300))


def _effective(share: Floats) -> Floats:
    """(N,) how many draws shares (N, S) come to, whatever class somebody is of."""
    return np.asarray(1.0 / np.maximum((share * share).sum(axis=1), 1e-300))


def recovered(density: Density, vector: Floats, proposals: Proposals, few: Integers, seed: int) -> Proposals:
    """Proposals at a vector (K,), those of the members ``few`` made anew until their draws cover them: of each those
    that did so best."""
    if not len(few):
        return proposals
    some, members = with_their_sites(density.cohort, few)
    prior = some.theta.unpack(vector).prior(some.parts)[0]
    names, of_some = [subject.key for subject in some.subjects], Density(some)
    around = best = proposals.of(members)
    most = np.zeros(len(members))
    for turn in range(1, TURNS + 1):
        draws = even_draws(names, seed + 1 + turn * APART, EXACT, some.effects)
        found = Sample(of_some, vector, around, draws).likelihood(vector, score=False)
        effective = _effective(found.share)
        better = np.flatnonzero(effective > most)
        most, best = np.maximum(most, effective), best.replaced(better, around.of(better))
        if most.min() >= ENOUGH:
            break
        around = first_proposals(of_some, vector) if turn == SEARCHED else adapted(found, prior, around)
    return proposals.replaced(few, best.of(np.searchsorted(members, few)))


def with_their_sites(cohort: Cohort, few: Integers) -> tuple[Cohort, Integers]:
    """The patients of some members, where sites differ all of their sites, and which members these are."""
    patients = np.unique(few // cohort.classes)
    if cohort.site is not None:
        patients = np.flatnonzero(np.isin(cohort.site, cohort.site[patients]))
    members = (patients[:, None] * cohort.classes + np.arange(cohort.classes)).reshape(-1)
    return cohort.drawn(patients), members


def covering(density: Density, vector: Floats, around: Proposals, seed: int) -> tuple[Sample, Proposals]:
    """Draws that cover what is known of everybody at a vector (K,), and around what they were made; the first ones are
    made ``around`` the modes there, and the last are others than these: of draws that proposals were made to suit the
    likelihood is too low."""
    cohort, names = density.cohort, [subject.key for subject in density.cohort.subjects]
    first, last = (even_draws(names, one, EXACT, cohort.effects) for one in (seed, seed + APART))
    found = Sample(density, vector, around, first).likelihood(vector, score=False)
    proposals = followed(density, vector, found, around, seed)
    return Sample(density, vector, proposals, last), proposals


def followed(density: Density, vector: Floats, found: Likelihood, before: Proposals, seed: int) -> Proposals:
    """Proposals that follow what draws of those ``before`` found at a vector (K,), and cover whom these did not."""
    cohort = density.cohort
    proposals = adapted(found, cohort.theta.unpack(vector).prior(cohort.parts)[0], before)
    return recovered(density, vector, proposals, np.flatnonzero(found.effective < FEWEST), seed)
