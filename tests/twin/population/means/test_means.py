"""Individuals stay where they are while the numbers that move means do."""

from __future__ import annotations

import numpy as np

from tests.twin.population.sampling.test_saem import cohort_of_normal, normal_lines, resting
from tests.twin.population.test_objective import timelines
from twin.kernel.kernel import compile_model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.importance.density import Density
from twin.population.means.means import Means
from twin.population.sampling.target import Target
from twin.population.theta import Theta
from twin.solver.step_control import step_sizes_for


def with_effect(expression: str) -> tuple[Cohort, Means]:
    """The marker with another covariate effect."""
    model = parse_model(resting().text.replace("Base*exp(by_age*AGE)", expression), "made.toml")
    kernel = compile_model(model)
    cohort = Cohort(kernel, step_sizes_for(kernel), timelines(model, normal_lines(4)), Theta.of(model))
    return cohort, Means(cohort)


def test_predictions_stay_while_a_typical_value_and_a_coefficient_move() -> None:
    cohort = cohort_of_normal()
    means, theta = Means(cohort), cohort.theta
    assert {theta.names[at] for at in means.moved} == {"Base", "by_age"}
    assert [theta.names[at] for at in means.apart] == ["gain"]
    assert means.straight
    before = theta.pack(theta.start)
    after = before + 0.2 * np.isin(np.arange(theta.size), means.moved)
    eta = 0.3 * np.random.default_rng(1).standard_normal((len(cohort), 5, 1))
    density = Density(cohort)
    first, second = Target(density, before), Target(density, after)
    held = means.held(eta, before, after)
    assert (held != eta).all()
    np.testing.assert_allclose(second.log_values(second.read(held)), first.log_values(first.read(eta)), rtol=1e-10)


def test_a_mean_that_bends_is_followed_by_its_slopes() -> None:
    cohort, means = with_effect("Base*(1 + by_age*AGE)")
    assert "by_age" in {cohort.theta.names[at] for at in means.moved}
    assert not means.straight
    vector = cohort.theta.pack(cohort.theta.start)
    age = np.array([subject.timeline.covariates[-1, 0] for subject in cohort.subjects])
    np.testing.assert_allclose(means.at(vector)[:, 0], np.log(5 * (1 + 0.1 * age)), rtol=1e-12)
    number = [cohort.theta.names[at] for at in means.moved].index("by_age")
    np.testing.assert_allclose(means.design(vector)[:, 0, number], age / (1 + 0.1 * age), rtol=1e-6)


def test_an_effect_that_is_not_the_same_on_its_scale_leaves_the_coefficient_apart() -> None:
    cohort, means = with_effect("Base*where(Base < 4.9, exp(by_age*AGE), 1)")
    assert "by_age" in {cohort.theta.names[at] for at in means.apart}


def test_effects_of_occasions_that_no_datum_met_are_not_active() -> None:
    from tests.twin.filter.test_posthoc import between_occasions

    model = between_occasions()
    lines = ("ID,TIME,EVID,DV,OCC", "1,0,0,5,1", "1,24,2,.,2", "1,25,0,2,2", "2,0,0,4,1")
    kernel = compile_model(model)
    cohort = Cohort(kernel, step_sizes_for(kernel), timelines(model, lines), Theta.of(model))
    np.testing.assert_array_equal(Means(cohort).active, [[True, True, True], [True, True, False]])
