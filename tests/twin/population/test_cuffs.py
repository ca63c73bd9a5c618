"""What readings of a wearable scatter by is estimated by each method that weighs them, as a quadrature says."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, special, stats

from tests.twin.population.laws import ends
from tests.twin.population.laws.cuffs import BASE, DRIFT, SD, SPREAD, TIMES, Cuffs, begun, drawn, factor
from twin.arrays import Floats
from twin.model.measured.error import ReadingsSpec
from twin.population.diagnostics.residuals import residuals
from twin.population.importance.covering import first_proposals
from twin.population.importance.density import Density
from twin.population.importance.draws import even_draws
from twin.population.importance.sampled import Sample
from twin.population.laplace.methods import objective_of, usual_objective
from twin.population.objective import Objective
from twin.population.results.untold import Measured, untold
from twin.population.results.written import Provenance, fitted_model
from twin.population.sampling.gibbs import sampled
from twin.population.search import State, bounds, search
from twin.population.theta import FitError, Theta
from twin.population.values import Population

NAMES = ("base", "drift", "omega.base", "error.pressure.additive", "vital.pressure.independent", "vital.pressure.df")

NODES = np.linspace(-6.0, 6.0, 481)


@functools.cache
def cuffs() -> Cuffs:
    return drawn(1)


def minus_2_log(vector: Floats, of: Cuffs) -> Floats:
    """(N,) of each patient, without n log(2 pi), by the trapezoidal rule; nothing of the estimator is in it."""
    theta = of.cohort.theta
    assert theta.names == NAMES
    base, drift, variance, sd, independent, df = theta.natural(vector).tolist()
    f = base + np.sqrt(variance) * NODES + drift * TIMES[:, None]
    law = stats.t(df, f, sd * factor(independent)[:, None])
    log = law.logpdf(of.medians[:, :, None]).sum(axis=1) + 0.5 * len(TIMES) * np.log(2 * np.pi)
    return np.asarray(-2.0 * (special.logsumexp(log + stats.norm.logpdf(NODES), axis=1) + np.log(NODES[1] - NODES[0])))


@functools.cache
def highest() -> tuple[Floats, Floats]:
    """The vector at which the likelihood is highest, with standard errors by its curvature there, by differences."""
    of = cuffs()

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


def test_windows_are_weighed_by_laplace_where_methods_for_normal_values_refuse_them() -> None:
    with pytest.raises(FitError, match="readings that are weighed together"):
        Objective(cuffs().cohort)
    assert usual_objective(cuffs().cohort).method == "laplace"


def test_the_objective_is_near_the_likelihood_and_its_score_what_differences_say() -> None:
    of, vector = cuffs(), begun(cuffs())
    objective = objective_of(of.cohort, "laplace")
    here = objective(vector, thorough=True)
    np.testing.assert_allclose(here.ofv, minus_2_log(vector, of), atol=0.05)
    for at, name in enumerate(NAMES):
        step = 1e-3 * np.eye(len(vector))[at]
        up, down = (objective(vector + side * step, here) for side in (1, -1))
        np.testing.assert_allclose(here.score[:, at], (up.ofv - down.ofv) / 2e-3, atol=2e-3, rtol=1e-3, err_msg=name)


def test_the_likelihood_by_draws_and_its_score_are_those_of_the_quadrature() -> None:
    of, vector = cuffs(), begun(cuffs())
    density = Density(of.cohort)
    draws = even_draws([subject.id for subject in of.cohort.subjects], 1, 4000, of.cohort.effects)
    found = Sample(density, vector, first_proposals(density, vector), draws).likelihood(vector)
    np.testing.assert_allclose(-2.0 * found.log, minus_2_log(vector, of), atol=2e-3)
    for at, name in enumerate(NAMES):
        step = 1e-4 * np.eye(len(vector))[at]
        expected = (minus_2_log(vector + step, of) - minus_2_log(vector - step, of)) / 2e-4
        np.testing.assert_allclose(-2.0 * found.score[:, at], expected, atol=0.02, err_msg=name)


def test_a_search_ends_next_to_the_maximum_with_its_standard_errors() -> None:
    of = cuffs()
    objective = objective_of(of.cohort, "laplace")
    state, here = search(objective, State(begun(of)), lambda *_: None, bounds(of.cohort.theta))
    ends.assert_modes_end(objective, state.why, here, highest(), off=0.1, rtol=0.05)


def test_by_importance_sampling_the_end_is_the_maximum() -> None:
    of = cuffs()
    ends.assert_climb_ends(of.cohort, begun(of), highest())


def test_by_stochastic_approximation_the_end_is_the_maximum() -> None:
    of = cuffs()
    ends.assert_chains_end(of.cohort, begun(of), highest())


def test_the_posterior_lies_around_it() -> None:
    of, (best, errors) = cuffs(), highest()
    found = sampled(Density(of.cohort), best, warm=100, kept=250, most=250)
    at = NAMES.index("vital.pressure.independent")
    places = np.log(found.draws[..., at] - 1.0)
    assert places.mean() == pytest.approx(best[at], abs=0.5 * errors[at])
    assert places.std() == pytest.approx(errors[at], rel=0.3)


def test_residuals_of_windows_are_in_units_of_what_they_scatter_by() -> None:
    of, theta = cuffs(), cuffs().cohort.theta
    objective = objective_of(of.cohort, "laplace")
    here = objective(theta.pack(theta.start), thorough=True)
    found = residuals(objective, here)
    k = np.tile(factor(theta.start.errors[0].readings.independent), len(of.medians))  # type: ignore[union-attr]
    np.testing.assert_allclose(found.iwres, (of.medians.ravel() - found.ipred) / (SD * k), rtol=1e-9)
    values, vectors = np.linalg.eigh(SPREAD**2 + np.diag((SD * k[: len(TIMES)]) ** 2))
    away = of.medians - BASE - DRIFT * TIMES
    np.testing.assert_allclose(
        found.cwres.reshape(away.shape), away @ (vectors / np.sqrt(values)) @ vectors.T, rtol=1e-4
    )


def test_they_are_written_and_read_again_and_held_by_name() -> None:
    theta = cuffs().cohort.theta
    found = theta.population({"vital.pressure.independent": 3.25, "vital.pressure.df": 6.5})
    made = fitted_model(theta, found, None, Provenance("a fit of cuffs", 40), "made_fit")
    (output,) = made.outputs
    assert output.error.readings == ReadingsSpec(3.25, 6.5)
    assert output.vital is not None
    assert (output.vital.source, output.error.source) == ("a fit of cuffs", theta.model.outputs[0].error.source)
    assert Theta.of(made).natural_of(Population.of(made)).tolist() == theta.natural_of(found).tolist()
    assert "vital.pressure.df" not in Theta.of(made, ["vital.pressure.df"]).names


def test_where_all_windows_have_as_many_readings_nothing_tells_how_many_are_independent() -> None:
    cohort = cuffs().cohort
    every = [subject.timeline for subject in cohort.subjects]
    assert untold(cohort.theta, Measured.of(cohort.theta.model, every)) == ()
    alike = [
        replace(one, observations=tuple(o for o in one.observations if o.readings and o.readings.number == 4))
        for one in every
    ]
    assert untold(cohort.theta, Measured.of(cohort.theta.model, alike)) == ("vital.pressure.independent",)
