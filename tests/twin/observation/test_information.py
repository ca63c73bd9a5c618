"""Expected information is what a simulation of the error model gives: the mean square of the score."""

from __future__ import annotations

import ast
import math
from itertools import product

import numpy as np
import pytest

from twin.arrays import Floats
from twin.model.spec import NO_ERROR, ErrorSpec, OutlierSpec, OutputSpec
from twin.observation.information import censored_coordinates, coordinates, outcome_coordinates
from twin.observation.likelihood import log_likelihood as outcome_log_likelihood
from twin.observation.observation import Observation
from twin.observation.residual import cdf, drawn, log_likelihood

H = 1e-4
SIZES = [("proportional", 0.0, 0.25), ("additive", 0.4, 0.0), ("combined", 0.3, 0.2), ("log_additive", 0.35, 0.0)]
SPECS = [
    ErrorSpec(kind, additive, proportional, df, "a test", None, outliers=outliers)  # type: ignore[arg-type]
    for (kind, additive, proportional), (df, outliers) in product(
        SIZES, [(None, None), (5.0, None), (None, OutlierSpec(0.1, 5.0))]
    )
]
SPECS += [
    ErrorSpec("power", 0.1, 0.3, None, "a test", None, exponent=0.6, combination="sd"),
    ErrorSpec("box_cox", 0.3, 0.0, None, "a test", None, box_cox=0.5),
]
LAWS = ["normal", "student", "outliers"]
NAMES = [f"{kind}-{law}" for (kind, _, _), law in product(SIZES, LAWS)] + ["power", "box_cox"]


def about_the_prediction(places: Floats, weights: Floats) -> float:
    """Information about f itself, of coordinates at f - h, f, f + h."""
    slope = (places[..., 2] - places[..., 0]) / (2 * H)
    return float((weights[..., 1] * slope**2).sum())


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
@pytest.mark.parametrize("predicted", [0.7, 3.0])
def test_of_measured_values(error: ErrorSpec, predicted: float) -> None:
    near = predicted + np.array([-H, 0.0, H])
    rng = np.random.Generator(np.random.Philox(key=7))
    values = drawn(error, np.full(200_000, predicted), rng)
    likely = log_likelihood(error, values[:, None], near)
    score = (likely[:, 2] - likely[:, 0]) / (2 * H)
    assert about_the_prediction(*coordinates(error, near)) == pytest.approx(float((score**2).mean()), rel=0.03)


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
@pytest.mark.parametrize("limit", [1.0, 2.5, 4.0])
def test_of_values_below_a_limit(error: ErrorSpec, limit: float) -> None:
    near = 3.0 + np.array([-H, 0.0, H])
    under = cdf(error, limit, near)
    known = ((under[2] - under[0]) / (2 * H)) ** 2 / (under[1] * (1 - under[1]))
    assert about_the_prediction(*censored_coordinates(error, limit, near)) == pytest.approx(known, rel=1e-3)


# --- counts, grades and events ---------------------------------------------------------------------------------------


def expected_information(output: OutputSpec, rows: Floats, bumped: Floats, step: float, values: range) -> float:
    """E (d log p / d u)^2 over the values that an output may take, u being what ``bumped`` rows differ by."""
    total = 0.0
    for value in values:
        seen = Observation(0, "a", 0, float(value))
        here, there = (float(outcome_log_likelihood(output, seen, r)[0]) for r in (rows, bumped))
        total += math.exp(here) * ((there - here) / step) ** 2
    return total


@pytest.mark.parametrize("dispersion", [None, 0.4])
def test_the_information_of_a_count_is_that_of_its_score(dispersion: float | None) -> None:
    kind = "poisson" if dispersion is None else "negative_binomial"
    error = ErrorSpec(kind, 0.0, 0.0, None, None, None, dispersion=dispersion)  # type: ignore[arg-type]
    output = OutputSpec("n", "1", ast.Constant(0.0), error, (), None, "count")
    rows, step = np.array([[3.0]]), 1e-5
    place, weight = outcome_coordinates(output, rows)
    assert place[0, 0] == 3.0
    found = expected_information(output, rows, rows + step, step, range(200))
    assert weight[0, 0] == pytest.approx(found, rel=1e-3)


def test_the_information_of_a_grade_is_that_of_its_score() -> None:
    output = OutputSpec("g", "1", ast.Constant(0.0), NO_ERROR, (), None, "ordinal")
    rows, slope, step = np.array([[0.2], [0.5], [0.3]]), np.array([[0.7], [0.1], [-0.8]]), 1e-6
    _, weight = outcome_coordinates(output, rows)
    found = expected_information(output, rows, rows + step * slope, step, range(3))
    assert float((weight * slope**2).sum()) == pytest.approx(found, rel=1e-4)
