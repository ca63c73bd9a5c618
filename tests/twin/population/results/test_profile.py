"""A profile ends where the objective has risen by the quantile of chi-squared, the rest at its best."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.population.test_objective import objective, timelines
from twin.kernel.kernel import compile_model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.laplace.methods import objective_of
from twin.population.objective import Evaluation, Objective
from twin.population.results.profile import RISE, Held, HeldEvaluation, profile
from twin.population.results.uncertainty import uncertainty
from twin.population.search import State, bounds, search
from twin.population.theta import Theta
from twin.solver.step_control import step_sizes_for

MODEL = toys.made({"k": "0.2 1/h 0.1", "V": "11 L 0.08"}, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg/L: A/V"})

CORRELATED = parse_model(
    MODEL.text + f'[[correlations]]\nbetween = ["k", "V"]\ncovariance = 0.02\n{toys.SOURCE}\n', "made.toml"
)

EIGHT = (
    "ID,TIME,EVID,AMT,DV",
    *(
        line
        for n, (volume, rate) in enumerate(
            [(9, 0.25), (14, 0.2), (11, 0.15), (8, 0.22), (12, 0.3), (15, 0.17), (10, 0.26), (13, 0.19)]
        )
        for line in (
            f"{n},0,1,100,.",
            *(f"{n},{t},0,.,{100 / volume * np.exp(-rate * t) * (1 + 0.1 * np.sin(7 * n + t)):.4f}" for t in (1, 4, 9)),
        )
    ),
)


def minimum(of: Objective) -> Evaluation:
    theta = of.cohort.theta
    return search(of, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))[1]


@pytest.mark.parametrize("name", ["k", "omega.V", "omega.k.V", "error.plasma.proportional"])
def test_with_a_number_held_the_gradient_is_what_differences_say(name: str) -> None:
    of = objective(CORRELATED)
    theta = of.cohort.theta
    at, whole = theta.names.index(name), of(theta.pack(theta.start))
    held = Held(of, theta, at, 0.8 * float(theta.natural(whole.vector)[at]))
    first = held(held.reduced(whole.vector))
    assert isinstance(first, HeldEvaluation)
    assert theta.natural(first.whole.vector)[at] == pytest.approx(0.8 * theta.natural(whole.vector)[at])
    for k, slope in enumerate(first.gradient):
        step = 1e-4 * np.eye(len(first.vector))[k]
        up, down = (held(first.vector + side * step, first) for side in (1, -1))
        assert slope == pytest.approx((up.total - down.total) / 2e-4, rel=1e-3, abs=1e-3)


def test_a_number_of_an_error_is_followed_on_its_scale_to_its_ends() -> None:
    error = "log_additive = 0.2, df = 8"
    made = parse_model(MODEL.text.replace("proportional = 0.2", error), "made.toml")
    kernel = compile_model(made)
    cohort = Cohort(kernel, step_sizes_for(kernel), timelines(made, EIGHT), Theta.of(made))
    of, at = objective_of(cohort, "laplace"), cohort.theta.names.index("error.plasma.df")
    here = of(cohort.theta.pack(cohort.theta.start))
    held = Held(of, cohort.theta, at, 2.0)
    assert held.whole(held.reduced(here.vector)) is None
    here = minimum(of)
    found = profile(of, cohort.theta, here, at, 4.0)
    # So few values say next to nothing of tails: it may be as great as it will, and next to 2.
    assert (found.low, found.high) == (2.0, None)
    assert "the data do not bound error.plasma.df from below" in found.problem
    assert all(value > 2.0 for value, _ in found.points)


def test_of_a_parabola_it_is_what_standard_errors_say() -> None:
    """With normal values of one mean and known spread the objective is a parabola in a typical value."""
    text = toys.made({"B": "4 mg/L 0.04", "r": "1 1/h"}, {"A": "mg: -r*A"}, {"plasma": "mg/L: B"}).text
    text = text.replace("proportional = 0.2", "additive = 0.3").replace(
        "iiv = 0.04", 'iiv = 0.04\ndistribution = "normal"'
    )
    model = parse_model(text, "made.toml")
    lines = ("ID,TIME,EVID,DV", "1,0,0,4.1", "1,1,0,4.4", "2,0,0,3.2", "3,0,0,4.0")
    theta, kernel = Theta.of(model, ["r", "omega.B", "error.plasma.additive"]), compile_model(model)
    of = Objective(Cohort(kernel, step_sizes_for(kernel), timelines(model, lines), theta))
    here = minimum(of)
    error = uncertainty(of, theta, here).errors("R")
    assert error is not None
    found = profile(of, theta, here, 0, float(error[0]))
    assert found.low == pytest.approx(found.value - np.sqrt(RISE) * error[0], rel=1e-3)
    assert found.high == pytest.approx(found.value + np.sqrt(RISE) * error[0], rel=1e-3)
    assert found.problem == ""


def test_of_a_fit_it_reaches_the_rise_on_both_sides() -> None:
    of = objective(MODEL, lines=EIGHT)
    theta, here = of.cohort.theta, minimum(of)
    error = uncertainty(of, theta, here).errors("R")
    assert error is not None
    found = profile(of, theta, here, theta.names.index("V"), float(error[1]))
    assert found.problem == ""
    assert found.low is not None
    assert found.high is not None
    for value in (found.low, found.high):
        rise = dict(found.points)[value]
        assert rise == pytest.approx(RISE, abs=0.01)
    # A volume is above 0: its interval reaches farther up.
    assert found.high - found.value > found.value - found.low


def test_a_variance_that_the_data_do_not_bound_from_below_is_said_so() -> None:
    of = objective(MODEL, lines=EIGHT[:9])
    theta, here = of.cohort.theta, minimum(of)
    at = theta.names.index("omega.V")
    found = profile(of, theta, here, at, float(theta.natural(here.vector)[at]))
    assert found.low == 0.0
    assert "the data do not bound omega.V from below" in found.problem
