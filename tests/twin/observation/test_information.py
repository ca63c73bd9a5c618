"""Expected information is what a simulation of the error model gives: the mean square of the score."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec, OutlierSpec
from twin.observation.information import censored_coordinates, coordinates, coordinates_beside
from twin.observation.residual import at_levels, cdf, log_likelihood, scale
from twin.observation.residual_correlation import correlation_of, given_others

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
    ErrorSpec("deviation", 0.1, 0.3, None, "a test", None, formula="f / (f + 5)"),
    ErrorSpec("log_combined", 0.4, 0.2, None, "a test", None),
    ErrorSpec("box_cox", 0.3, 0.0, None, "a test", None, box_cox=0.5),
]
LAWS = ["normal", "student", "outliers"]
NAMES = [f"{kind}-{law}" for (kind, _, _), law in product(SIZES, LAWS)]
NAMES += ["power", "deviation", "log_combined", "box_cox"]


def about_the_prediction(places: Floats, weights: Floats) -> float:
    """Information about f itself, of coordinates at f - h, f, f + h."""
    slope = (places[..., 2] - places[..., 0]) / (2 * H)
    return float((weights[..., 1] * slope**2).sum())


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
@pytest.mark.parametrize("predicted", [0.7, 3.0])
def test_of_measured_values(error: ErrorSpec, predicted: float) -> None:
    near = predicted + np.array([-H, 0.0, H])
    rng = np.random.Generator(np.random.Philox(key=7))
    values = at_levels(error, np.array([predicted]), rng.random((1, 200_000)))[0]
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


@pytest.mark.parametrize("size", [1.0, 1e-6], ids=["alike", "in units far apart"])
@pytest.mark.parametrize("kinds", [("additive", "log_additive"), ("proportional", "log_combined", "combined")])
def test_values_measured_together_have_that_of_a_normal_of_all(kinds: tuple[str, ...], size: float) -> None:
    """f'^T R^-1 f' + tr(R^-1 R' R^-1 R') / 2 of R = s C s, for two effects that all predictions rise by."""
    c = np.array([[1.0, 0.7, -0.4], [0.7, 1.0, 0.2], [-0.4, 0.2, 1.0]])
    errors = [
        ErrorSpec(kind, 0.3 if i else 0.3 * size, 0.2, None, None, None, beside=tuple(c[i, :i]))  # type: ignore[arg-type]
        for i, kind in enumerate(kinds)
    ]
    errors = [replace(one, additive=0.0) if one.kind == "proportional" else one for one in errors]
    rise, points = (
        np.array([[1.0, 0.3], [-0.2, 0.8], [0.5, 0.5]]),
        H * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]]),
    )
    shown = np.array([2.0 * size, 3.0, 4.0])[: len(kinds), None] * np.exp(rise[: len(kinds)] @ points.T)
    found = np.zeros((2, 2))
    for i, error in enumerate(errors):
        if i:
            given = given_others(errors, i, range(i))
            places, weights = coordinates_beside(replace(error, given=given), given, shown[[i, *range(i)]])
        else:
            places, weights = coordinates(error, shown[0])
        slope = (places[:, 1::2] - places[:, 2::2]) / (2 * H)
        found += np.einsum("q,qi,qj->ij", weights[:, 0], slope, slope)
    logs = [one.logarithmic for one in errors]
    f = np.where(np.array(logs)[:, None], np.log(shown), shown)
    slope = (f[:, 1::2] - f[:, 2::2]) / (2 * H)
    s = np.array([scale(one, each) for one, each in zip(errors, shown, strict=True)])
    covariance = correlation_of(errors)[:, :, None] * s[:, None] * s[None]
    inverse = np.linalg.inv(covariance[:, :, 0])
    turned = [inverse @ (covariance[:, :, 1 + 2 * i] - covariance[:, :, 2 + 2 * i]) / (2 * H) for i in range(2)]
    known = slope.T @ inverse @ slope + [[0.5 * np.trace(one @ other) for other in turned] for one in turned]
    np.testing.assert_allclose(found, known, rtol=1e-5)
    assert np.linalg.eigvalsh(found).min() > 0.0
