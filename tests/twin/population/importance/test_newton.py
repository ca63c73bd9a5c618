"""The score of draws promises what is left to go, also where its squares are no scale."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from tests.twin.population.sampling.test_saem import cohort_of_normal
from twin.arrays import Floats
from twin.population.importance.covering import first_proposals
from twin.population.importance.density import Density
from twin.population.importance.draws import even_draws
from twin.population.importance.newton import LITTLE, promise, stepped_up
from twin.population.importance.sampled import Sample
from twin.population.objective import Objective
from twin.population.search import State, search

PATIENTS = 7


@functools.cache
def highest() -> tuple[Sample, Floats]:
    """Draws of seven patients, and the vector of five numbers where the likelihood is highest."""
    cohort = cohort_of_normal().drawn(np.arange(PATIENTS))
    _, here = search(Objective(cohort), State(cohort.theta.pack(cohort.theta.start)), lambda *_: None)
    density, names = Density(cohort), [subject.key for subject in cohort.subjects]
    proposals = first_proposals(density, here.vector)
    return Sample(density, here.vector, proposals, even_draws(names, 1, 500, cohort.effects)), here.vector


def test_at_the_maximum_next_to_nothing_is_promised() -> None:
    sample, vector = highest()
    assert promise(sample, vector).long < 2 * LITTLE


@pytest.mark.parametrize("at", range(5))
def test_a_step_goes_back_to_the_maximum_and_is_as_long_as_the_way(at: int) -> None:
    sample, vector = highest()
    away = vector.copy()
    far = promise(sample, vector + 0.3)  # seven scores of five numbers are no scale, so that it is of the curvature
    away[at] += 0.7 * far.errors[at]
    found = promise(sample, away)
    assert found.long > LITTLE
    assert abs(found.step[at] / (vector - away)[at] - 1.0) < 0.5
    reached = sample.likelihood(stepped_up(sample, away, found)).total
    here, highest_total = sample.likelihood(away).total, sample.likelihood(vector).total
    assert highest_total - reached < 0.5 * (highest_total - here)


def test_a_curvature_that_is_known_is_not_worked_out_again() -> None:
    sample, vector = highest()
    found = promise(sample, vector + 0.3)
    assert promise(sample, vector + 0.2, found.information).information is found.information


def test_a_step_that_leads_nowhere_stays() -> None:
    sample, vector = highest()
    found = promise(sample, vector + 0.3)
    downhill = type(found)(-found.step, found.errors, found.information)
    assert stepped_up(sample, vector + 0.3, downhill) == pytest.approx(vector + 0.3)
