"""A twin weighs values that were measured together, one beside the other, as a fit weighs them as one."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.joint import pairs
from twin.filter.posthoc import post_hoc
from twin.population.importance.density import Density
from twin.population.objective import Objective
from twin.solver.step_control import step_sizes_for
from twin.study.prediction import Predictor

COHORT = pairs.drawn(4)
THETA = COHORT.theta.pack(COHORT.theta.start)


def test_values_of_a_fit_stand_by_themselves_and_those_of_a_timeline_beside_one_another() -> None:
    for subject in COHORT.subjects:
        assert not any(o.earlier for o in subject.observations)
        assert sum(len(o.reads) == 2 for o in subject.timeline.observations) == len(pairs.TIMES)


def test_particles_have_the_density_that_draws_of_a_fit_have() -> None:
    density, population = Density(COHORT), COHORT.theta.unpack(THETA)
    eta = np.random.default_rng(5).normal(0.0, 0.3, (7, 2))
    z = np.zeros((len(COHORT), len(eta), COHORT.size))
    z[:, :, : COHORT.effects] = eta
    known = density.of(density.read(z, population.place), population.errors)
    for i, subject in enumerate(COHORT.subjects):
        found = Predictor(COHORT.kernel, subject.id).log_likelihood(eta, subject.timeline)
        # A fit leaves out log(2 pi) / 2 of each value, and what the logarithm makes of those that stand on it.
        own = sum(np.log(o.value) for o in subject.observations if o.output == 1)
        left_out = 0.5 * np.log(2 * np.pi) * len(subject.observations) + own
        np.testing.assert_allclose(found + left_out, known[i], rtol=1e-5)


def test_each_patient_counts_in_a_fit_as_its_post_hoc_estimate_does() -> None:
    """To first order with interaction: information of values that scatter together, and both by what is predicted."""
    objective = Objective(COHORT, "focei")
    here = objective(THETA, thorough=True)
    for i, subject in enumerate(COHORT.subjects):
        found = post_hoc(COHORT.kernel, step_sizes_for(COHORT.kernel), subject.timeline)
        own = 2.0 * sum(np.log(o.value) for o in subject.observations if o.output == 1)
        assert found.ofv - own == pytest.approx(here.ofv[i], abs=2e-3)
