"""Where values scatter without a part of the error that the model has for them, a fit ends there, and says so."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from streams.batch.population.problems import errors_at_an_end
from tests.twin import toys
from tests.twin.population.diagnostics.cohorts import cohort_of
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.importance.climbing import climb
from twin.population.importance.density import Density
from twin.population.laplace.methods import objective_of
from twin.population.results.uncertainty import uncertainty
from twin.population.sampling.saem import settle
from twin.population.search import State, bounds, run_away, search

TIMES = np.array([0.5, 2.0, 5.0, 9.0, 14.0, 20.0])


@functools.cache
def levels(additive: float, proportional: float, seed: int = 5) -> Cohort:
    """40 patients whose levels scatter by one part of an error of two: ``additive`` mg/L and a share of themselves."""
    model = toys.made(
        {"CL": "4 L/h 0.09", "V": "30 L 0.04"}, {"A": "mg: input(toxin) - CL/V*A"}, {"plasma": "mg/L: A/V"}
    )
    model = parse_model(model.text.replace("proportional = 0.2", "proportional = 0.2, additive = 0.1"), "made.toml")
    rng, lines = np.random.default_rng(seed), ["ID,TIME,EVID,AMT,DV"]
    for n in range(1, 41):
        cl, v = np.array([4.0, 30.0]) * np.exp(rng.normal(0.0, [0.3, 0.2]))
        level, noise = 100.0 / v * np.exp(-cl / v * TIMES), rng.standard_normal(len(TIMES))
        values = level + (additive + proportional * level) * noise
        lines.append(f"{n},0,1,100,.")
        lines += [f"{n},{t},0,.,{y}" for t, y in zip(TIMES, values.tolist(), strict=True)]
    return cohort_of(model, lines)


@pytest.mark.parametrize(("additive", "proportional", "gone"), [(0.0, 0.15, "additive"), (0.2, 0.0, "proportional")])
def test_a_part_that_is_none_is_an_end_with_standard_errors(additive: float, proportional: float, gone: str) -> None:
    cohort = levels(additive, proportional)
    theta, objective = cohort.theta, objective_of(cohort, "focei")
    state, here = search(objective, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
    assert state.why == "converged"
    assert run_away(theta, here.vector) == []
    (said,) = errors_at_an_end(theta, here)
    assert said.startswith(f"error.plasma.{gone} runs to 0")
    errors = uncertainty(objective, theta, here).errors("R")
    assert errors is not None
    left = theta.names.index("error.plasma.additive" if additive else "error.plasma.proportional")
    assert abs(theta.natural(here.vector)[left] - (additive or proportional)) < 3.0 * errors[left]


def test_one_patient_who_tells_of_a_part_that_the_others_do_not_holds_nobody_up() -> None:
    cohort = levels(0.0, 0.15, 3)
    theta = cohort.theta
    state, here = search(objective_of(cohort, "focei"), State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
    assert state.why == "converged"
    assert state.step < 60
    assert theta.natural(here.vector)[theta.names.index("error.plasma.additive")] == pytest.approx(2.8e-4, rel=0.05)


def test_the_climb_and_the_chains_end_there_too() -> None:
    cohort = levels(0.0, 0.15)
    density, begin = Density(cohort), cohort.theta.pack(cohort.theta.start)
    for found in (climb(density, begin), settle(density, begin)):
        assert found.why == "converged"
        assert run_away(cohort.theta, found.vector) == []


def test_an_error_that_is_none_at_all_ran_away() -> None:
    theta = levels(0.0, 0.15).theta
    vector = theta.pack(theta.start)
    sizes = [at for at, one in enumerate(theta.elements) if one.kind == "error"]
    vector[sizes[0]] = bounds(theta).lowest[sizes[0]]
    assert run_away(theta, vector) == []
    vector[sizes[1]] = bounds(theta).lowest[sizes[1]]
    assert run_away(theta, vector) == ["error.plasma.additive", "error.plasma.proportional"]


def test_counts_that_are_poisson_have_no_dispersion() -> None:
    model = toys.made({"rate": "6 1 0.3"}, {"A": "mg: input(toxin)"}, {"fits": "1: rate"})
    text = model.text.replace('unit = "1"\nexpression = "rate"', 'kind = "count"\nexpression = "rate"')
    text = text.replace("proportional = 0.2", "negative_binomial = 0.2")
    rng, lines = np.random.default_rng(5), ["ID,TIME,EVID,DV"]
    for n in range(1, 61):
        mean = 6.0 * np.exp(rng.normal(0.0, 0.5))
        # Counts of fewer tries than many scatter less than Poisson's.
        lines += [f"{n},{t},0,{y}" for t, y in enumerate(rng.binomial(30, min(mean / 30.0, 0.9), 8))]
    cohort = cohort_of(parse_model(text, "made.toml"), lines)
    theta, objective = cohort.theta, objective_of(cohort, "laplace")
    state, here = search(objective, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
    assert state.why == "converged"
    assert run_away(theta, here.vector) == []
    (said,) = errors_at_an_end(theta, here)
    assert said.startswith("error.fits.dispersion runs to 0")
