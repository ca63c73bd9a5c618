"""Residual error models are probability distributions: they integrate to one and agree with SciPy's."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from twin.belief import generator
from twin.models import ErrorSpec
from twin.residual import SMALLEST, cdf, drawn, log_likelihood, scale, spread_out, standardised


def spec(kind: str, additive: float = 0.0, proportional: float = 0.0, df: float | None = None) -> ErrorSpec:
    return ErrorSpec(kind, additive, proportional, df, "a test", None)  # type: ignore[arg-type]


SPECS = [
    spec(kind, additive, proportional, df)
    for (kind, additive, proportional), df in product(
        [("proportional", 0.0, 0.25), ("additive", 0.4, 0.0), ("combined", 0.3, 0.2), ("log_additive", 0.35, 0.0)],
        [None, 5.0],
    )
]
NAMES = [f"{error.kind}-{'normal' if error.df is None else 'student'}" for error in SPECS]
PREDICTED = np.array([0.7, 3.0, 12.0])


def written_out(error: ErrorSpec, predicted: float) -> stats.rv_continuous:
    """The distribution of a measurement as SciPy knows it, on the log scale for ``log_additive``."""
    spread = {
        "proportional": error.proportional * predicted,
        "additive": error.additive,
        "combined": np.hypot(error.additive, error.proportional * predicted),
        "log_additive": error.additive,
    }[error.kind]
    centre = np.log(predicted) if error.kind == "log_additive" else predicted
    return stats.norm(centre, spread) if error.df is None else stats.t(error.df, centre, spread)


def one(found: NDArray[np.float64]) -> float:
    return float(found.item())


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_densities_integrate_to_one(error: ErrorSpec) -> None:
    for predicted in PREDICTED:
        middle = np.array([predicted])

        def density(y: float, middle: NDArray[np.float64] = middle) -> float:
            return float(np.exp(one(log_likelihood(error, y, middle))))

        low = 0.0 if error.kind == "log_additive" else -np.inf
        below, _ = integrate.quad(density, max(low, 1e-300) if low == 0.0 else low, predicted)
        above, _ = integrate.quad(density, predicted, np.inf)
        assert below + above == pytest.approx(1.0, rel=1e-6)
        assert below == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_densities_and_distribution_functions_are_those_of_scipy(error: ErrorSpec) -> None:
    for value in (0.4, 2.9, 30.0):
        known = [written_out(error, float(predicted)) for predicted in PREDICTED]
        at = np.log(value) if error.kind == "log_additive" else value
        jacobian = np.log(value) if error.kind == "log_additive" else 0.0
        density = [distribution.logpdf(at) - jacobian for distribution in known]
        np.testing.assert_allclose(log_likelihood(error, value, PREDICTED), density, rtol=1e-10)
        np.testing.assert_allclose(cdf(error, value, PREDICTED), [d.cdf(at) for d in known], rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_many_values_at_once_weigh_as_each_alone(error: ErrorSpec) -> None:
    values, limits = np.array([[0.4], [2.9], [0.0]]), np.array([[0.5], [1.0], [20.0]])
    predicted = np.array([[0.7, 3.0], [3.0, 12.0], [1.0, 2.0]])
    together, censored = log_likelihood(error, values, predicted), log_likelihood(error, values, predicted, limits)
    for i, row in enumerate(predicted):
        np.testing.assert_array_equal(together[i], log_likelihood(error, float(values[i, 0]), row))
        np.testing.assert_array_equal(censored[i], log_likelihood(error, 0.0, row, float(limits[i, 0])))


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_a_value_below_its_limit_weighs_the_probability_of_lying_there(error: ErrorSpec) -> None:
    censored = log_likelihood(error, 0.0, PREDICTED, below=0.5)
    at = np.log(0.5) if error.kind == "log_additive" else 0.5
    known = [written_out(error, float(predicted)).logcdf(at) for predicted in PREDICTED]
    np.testing.assert_allclose(censored, known, rtol=1e-8)
    assert (np.diff(censored) < 0).all() or error.kind == "proportional"


def test_a_censored_value_far_below_every_prediction_still_tells_them_apart() -> None:
    error = spec("log_additive", 0.3)
    near, far = log_likelihood(error, 0.0, np.array([100.0, 1e6]), below=0.01)
    assert np.isfinite([near, far]).all()
    assert far < near < -300


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_scattered_measurements_lie_one_in_each_equal_share(error: ErrorSpec) -> None:
    points = spread_out(error, PREDICTED, 8)
    for row, predicted in zip(points, PREDICTED, strict=True):
        found = np.array([one(cdf(error, float(y), np.array([predicted]))) for y in row])
        assert np.floor(found * 8).tolist() == list(range(8))
        np.testing.assert_allclose(np.diff(found), 1 / 8, rtol=1e-6)


def test_predictions_that_are_all_alike_scatter_over_the_whole_residual() -> None:
    points = spread_out(spec("additive", 1.0), np.zeros(500), 4).ravel()
    assert stats.kstest(points, "norm").statistic < 2 / len(points) ** 0.9


def test_residuals_are_standardised_by_their_scale() -> None:
    error = spec("combined", 3.0, 0.4)
    assert scale(error, np.array([10.0])) == pytest.approx([5.0])
    assert standardised(error, 20.0, np.array([10.0])) == pytest.approx([2.0])
    assert standardised(spec("log_additive", 0.5), np.e, np.array([1.0])) == pytest.approx([2.0])


def test_the_scale_of_a_negative_rounding_error_is_that_of_its_size() -> None:
    assert scale(spec("proportional", proportional=0.2), np.array([-1e-3])) == pytest.approx([2e-4])
    assert scale(spec("proportional", proportional=0.2), np.array([0.0])) == pytest.approx([0.2 * SMALLEST])


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_a_prediction_of_nothing_gives_numbers_and_no_warning(error: ErrorSpec) -> None:
    nothing = np.array([0.0])
    assert np.isfinite(log_likelihood(error, 0.5, nothing)).all()
    assert 0.0 <= one(cdf(error, 0.5, nothing)) <= 1.0


def test_a_value_of_zero_lies_below_every_prediction_on_a_log_scale() -> None:
    assert (cdf(spec("log_additive", 0.3), 0.0, PREDICTED) == 0.0).all()
    assert (standardised(spec("log_additive", 0.3), 0.0, PREDICTED) == -np.inf).all()


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_drawn_measurements_scatter_as_the_distribution_says(error: ErrorSpec) -> None:
    drawn_values = drawn(error, np.full(4000, 3.0), generator("drawn"))
    levels = [one(cdf(error, float(value), np.array([3.0]))) for value in drawn_values[:1000]]
    assert stats.kstest(levels, "uniform").pvalue > 0.01
