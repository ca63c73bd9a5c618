"""What an unreported characteristic widens is estimated: every method ends where the exact likelihood is highest."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import optimize, stats

from tests.twin.population.laws import ends
from tests.twin.population.laws.lacking import TRUTH, Lines, begun, drawn, minus_2_log
from twin.arrays import Floats
from twin.population.importance.density import Density
from twin.population.laplace.methods import objective_of
from twin.population.means.approach import sought
from twin.population.objective import Method
from twin.population.prior import Prior
from twin.population.results.written import Provenance, fitted_model
from twin.population.sampling.blocks import FREEDOM, WIDE
from twin.population.sampling.gibbs import sampled
from twin.population.search import State, bounds
from twin.population.theta import Theta
from twin.population.values import Population


@functools.cache
def lines() -> Lines:
    return drawn(1)


@functools.cache
def highest() -> tuple[Floats, Floats]:
    """The vector at which the likelihood is highest, with standard errors by its curvature there, by differences."""
    of = lines()

    def total(vector: Floats) -> float:
        return float(minus_2_log(vector, of).sum())

    found = optimize.minimize(total, begun(of), method="BFGS", options={"gtol": 1e-3})
    steps, h = 1e-3 * np.eye(len(found.x)), 1e-3
    curvature = np.array(
        [
            [
                sum(a * b * total(found.x + a * one + b * other) for a in (1, -1) for b in (1, -1)) / (4 * h * h)
                for other in steps
            ]
            for one in steps
        ]
    )
    return found.x, np.sqrt(np.diag(np.linalg.inv(0.5 * curvature)))


@pytest.mark.parametrize("method", ["focei", "foce", "fo", "laplace"])
def test_objectives_and_gradients_are_those_of_the_closed_form(method: Method) -> None:
    of, vector = lines(), begun(lines())
    here = objective_of(of.cohort, method)(vector, thorough=True)
    np.testing.assert_allclose(here.ofv, minus_2_log(vector, of), atol=2e-4)
    for at, name in enumerate(of.cohort.theta.names):
        step = 1e-4 * np.eye(len(vector))[at]
        expected = (minus_2_log(vector + step, of) - minus_2_log(vector - step, of)) / 2e-4
        np.testing.assert_allclose(here.score[:, at], expected, atol=2e-3, err_msg=name)


@pytest.mark.parametrize("method", ["focei", "laplace"])
def test_searches_end_at_the_maximum_with_its_standard_errors(method: Method) -> None:
    of = lines()
    objective = objective_of(of.cohort, method)
    state, here = sought(objective, State(begun(of)), lambda *_: None, bounds(of.cohort.theta))
    ends.assert_modes_end(objective, state.why, here, highest(), off=0.02, rtol=0.01)


def test_by_importance_sampling_the_end_is_the_maximum() -> None:
    of = lines()
    ends.assert_climb_ends(of.cohort, begun(of), highest())


def test_by_stochastic_approximation_the_end_is_the_maximum() -> None:
    of = lines()
    ends.assert_chains_end(of.cohort, begun(of), highest())


def test_the_posterior_of_one_is_that_of_its_half_t_prior_and_the_likelihood() -> None:
    name, theta = "widens.WT.base", lines().cohort.theta
    of = drawn(1, fixed=[one for one in theta.names if one != name])
    found = sampled(Density(of.cohort), of.cohort.theta.pack(of.cohort.theta.start), warm=30, kept=250, most=250)
    sd = np.linspace(0.01, 8.0, 800)
    log = np.array([-0.5 * minus_2_log(theta.pack(theta.population({name: s * s})), lines()).sum() for s in sd])
    weight = np.exp(log - log.max()) * stats.t.pdf(sd / (WIDE * np.sqrt(TRUTH[name])), FREEDOM)
    mean, square = (np.average(sd**power, weights=weight) for power in (2, 4))
    spread = np.sqrt(square - mean**2)
    assert found.mean[0] == pytest.approx(mean, abs=0.2 * spread)
    assert found.sd[0] == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize("method", ["focei", "fo", "laplace"])
def test_where_sites_differ_too_scores_are_what_differences_say(method: Method) -> None:
    of = drawn(2, 30, sites=True)
    objective, vector = objective_of(of.cohort, method), begun(of)
    here = objective(vector, thorough=True)
    for at, name in enumerate(of.cohort.theta.names):
        step = 1e-3 * np.eye(len(vector))[at]
        up, down = (objective(vector + side * step, here).total for side in (1, -1))
        assert here.gradient[at] == pytest.approx((up - down) / 2e-3, abs=2e-3), name


def test_what_is_known_of_it_before_counts() -> None:
    of = lines()
    known = {"value": 0.01, "degrees": 1e5}
    prior = Prior.read({"source": "made up", "numbers": {"widens.AGE.slope": known}})
    theta = of.cohort.theta.with_prior(prior)
    penalty = theta.penalty(begun(of))
    assert penalty is not None
    at, step = theta.names.index("widens.AGE.slope"), 1e-5
    moved = [theta.penalty(begun(of) + side * step * np.eye(theta.size)[at]) for side in (1, -1)]
    assert moved[0] is not None
    assert moved[1] is not None
    assert penalty.gradient[at] == pytest.approx((moved[0].value - moved[1].value) / (2 * step), rel=1e-6)


def test_it_is_written_and_read_again_and_held_by_its_name() -> None:
    theta = lines().cohort.theta
    said = {"widens.WT.base": 4.25, "widens.AGE.slope": 0.125}
    made = fitted_model(theta, theta.population(said), None, Provenance("a fit of lines", 90), "made_fit")
    assert [dict(c.widens) for c in made.covariates[:2]] == [
        {"base": 4.25, "slope": TRUTH["widens.WT.slope"]},
        {"slope": 0.125},
    ]
    assert 'widens = { slope = 0.125 }, source = "a fit of lines"' in made.text
    again = Theta.of(made)
    assert again.natural_of(Population.of(made)).tolist() == theta.natural_of(theta.population(said)).tolist()
    held = Theta.of(made, ["widens.WT.base"])
    assert "widens.WT.base" not in held.names
    assert held.unpack(held.pack(held.start) + 0.1).widening[0, 0] == 4.25
    assert theta.population(said).into(made).covariates == made.covariates
