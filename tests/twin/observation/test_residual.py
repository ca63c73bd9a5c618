"""Residual error models are probability distributions: they integrate to one and agree with SciPy's."""

from __future__ import annotations

import itertools
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec, OutlierSpec
from twin.observation.observation import MeasuredValue
from twin.observation.residual import (
    SMALLEST,
    at_levels,
    cdf,
    levels_of,
    log_likelihood,
    on_scale,
    scale,
    spread_out,
    standardised,
)
from twin.observation.residual_correlation import correlation_of, given_others
from twin.randomness import generator


def spec(kind: str, additive: float = 0.0, proportional: float = 0.0, df: float | None = None) -> ErrorSpec:
    return ErrorSpec(kind, additive, proportional, df, "a test", None)  # type: ignore[arg-type]


PLAIN = [
    spec(kind, additive, proportional, df)
    for (kind, additive, proportional), df in product(
        [("proportional", 0.0, 0.25), ("additive", 0.4, 0.0), ("combined", 0.3, 0.2), ("log_additive", 0.35, 0.0)],
        [None, 5.0],
    )
]
BY_SD = replace(spec("combined", 0.3, 0.2), combination="sd")
POWER = replace(spec("power", 0.0, 0.25), exponent=0.7)
DEVIATION = replace(spec("deviation", 0.0, 0.25), formula="f / (f + 5)")
LOG_COMBINED = spec("log_combined", 0.5, 0.25)
BOX_COX = replace(spec("box_cox", 0.3), box_cox=0.5)
BOX_COX_LOG, BOX_COX_BELOW = replace(BOX_COX, box_cox=0.0), replace(spec("box_cox", 0.05), box_cox=-0.7)
OUTLIERS = replace(spec("log_additive", 0.3), outliers=OutlierSpec(0.1, 4.0))
SPECS = [*PLAIN, BY_SD, POWER, replace(POWER, additive=0.2, df=6.0), DEVIATION, LOG_COMBINED]
SPECS += [BOX_COX, replace(BOX_COX, df=4.0), BOX_COX_LOG, BOX_COX_BELOW, OUTLIERS]
NAMES = [f"{error.kind}-{'normal' if error.df is None else 'student'}" for error in SPECS]
NAMES[len(PLAIN)] = "combined-sd"
NAMES[-1] = "outliers"
PREDICTED = np.array([0.7, 3.0, 12.0])


def written_out(error: ErrorSpec, predicted: float) -> stats.rv_continuous:
    """The distribution of a measurement as SciPy knows it, on the error's own scale; outliers are left out."""
    combined = np.add if error.combination == "sd" else np.hypot
    spread = {
        "proportional": error.proportional * predicted,
        "additive": error.additive,
        "combined": combined(error.additive, error.proportional * predicted),
        "power": np.hypot(error.additive, error.proportional * predicted**error.exponent),
        "deviation": np.hypot(error.additive, error.proportional * predicted / (predicted + 5.0)),
        "log_additive": error.additive,
        "log_combined": np.hypot(error.proportional, error.additive / predicted),
        "box_cox": error.additive,
    }[error.kind]
    centre = own_scale(error, predicted)
    return stats.norm(centre, spread) if error.df is None else stats.t(error.df, centre, spread)


def own_scale(error: ErrorSpec, value: float) -> float:
    if error.box_cox is not None:
        return float((value**error.box_cox - 1) / error.box_cox if error.box_cox else np.log(value))
    return float(np.log(value)) if error.logarithmic else value


def jacobian(error: ErrorSpec, value: float) -> float:
    """log of d(scale)/d(value), with its sign turned."""
    power = 1.0 if error.logarithmic else 0.0 if error.box_cox is None else 1.0 - error.box_cox
    return float(power * np.log(value))


def one(found: NDArray[np.float64]) -> float:
    return float(found.item())


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_densities_integrate_to_one(error: ErrorSpec) -> None:
    for predicted in PREDICTED:
        middle = np.array([predicted])

        def density(y: float, middle: NDArray[np.float64] = middle) -> float:
            return float(np.exp(one(log_likelihood(error, y, middle))))

        positive = error.transformed
        below, _ = integrate.quad(density, 1e-300 if positive else -np.inf, predicted, limit=200)
        above, _ = integrate.quad(density, predicted, np.inf, limit=200)
        # What reaches below the Box-Cox scale is a measurement of 0.
        below += density(0.0) if error.kind == "box_cox" else 0.0
        assert below + above == pytest.approx(1.0, rel=1e-6)
        assert below == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_densities_and_distribution_functions_are_those_of_scipy(error: ErrorSpec) -> None:
    plain = replace(error, outliers=None)
    for value in (0.4, 2.9, 30.0):
        known = [written_out(error, float(predicted)) for predicted in PREDICTED]
        at = own_scale(error, value)
        density = [distribution.logpdf(at) - jacobian(error, value) for distribution in known]
        np.testing.assert_allclose(log_likelihood(plain, value, PREDICTED), density, rtol=1e-10)
        np.testing.assert_allclose(cdf(plain, value, PREDICTED), [d.cdf(at) for d in known], rtol=1e-9, atol=1e-300)


def test_outliers_are_a_mixture_with_a_wider_error() -> None:
    usual, wide = replace(OUTLIERS, outliers=None), replace(OUTLIERS, outliers=None, additive=4 * 0.3)
    for value in (0.01, 2.0, 400.0):
        for of in (log_likelihood, lambda *args: np.log(cdf(*args))):
            mixed = np.log(0.9 * np.exp(of(usual, value, PREDICTED)) + 0.1 * np.exp(of(wide, value, PREDICTED)))
            np.testing.assert_allclose(of(OUTLIERS, value, PREDICTED), mixed, rtol=1e-8)


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
    plain = replace(error, outliers=None)
    censored = log_likelihood(plain, 0.0, PREDICTED, below=0.5)
    at = own_scale(error, 0.5)
    known = [written_out(error, float(predicted)).logcdf(at) for predicted in PREDICTED]
    np.testing.assert_allclose(censored, known, rtol=1e-8)
    assert (np.diff(censored) < 0).all() or error.kind == "proportional"
    above = [written_out(error, float(predicted)).logsf(at) for predicted in PREDICTED]
    np.testing.assert_allclose(log_likelihood(plain, 0.0, PREDICTED, above=0.5), above, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_below_and_above_a_limit_are_all_there_is(error: ErrorSpec) -> None:
    below, above = log_likelihood(error, 0.0, PREDICTED, below=2.5), log_likelihood(error, 0.0, PREDICTED, above=2.5)
    np.testing.assert_allclose(np.exp(below) + np.exp(above), 1.0, rtol=1e-12)


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
    drawn_values = at_levels(error, np.array([3.0]), generator("drawn").random((1, 4000)))[0]
    levels = [one(cdf(error, float(value), np.array([3.0]))) for value in drawn_values[:1000]]
    assert stats.kstest(levels, "uniform").pvalue > 0.01


# --- replicates ------------------------------------------------------------------------------------------------------

CORRELATED = replace(spec("log_additive", 0.4), replicate_correlation=0.6)


def joint_law(count: int) -> stats.multivariate_normal:
    correlation = np.full((count, count), 0.6) + 0.4 * np.eye(count)
    return stats.multivariate_normal(np.zeros(count), correlation)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_replicates_one_by_one_weigh_what_they_weigh_together(order: tuple[int, ...]) -> None:
    values = np.array([1.1, 2.0, 5.0])[list(order)]
    for predicted in PREDICTED:
        middle = np.array([predicted])
        one_by_one = sum(
            one(log_likelihood(CORRELATED, float(value), middle, earlier=tuple(map(MeasuredValue, values[:k]))))
            for k, value in enumerate(values)
        )
        z = (np.log(values) - np.log(predicted)) / 0.4
        together = joint_law(3).logpdf(z) - np.log(0.4 * values).sum()
        assert one_by_one == pytest.approx(together, rel=1e-10)


@pytest.mark.parametrize("limited", [(True, False), (False, True), (True, True)])
def test_replicates_below_their_limit_weigh_what_a_joint_integral_says(limited: tuple[bool, bool]) -> None:
    exact, limit = 1.4, 0.8
    data = [MeasuredValue(exact), *(MeasuredValue(0.0, below=limit) for _ in range(sum(limited)))]
    data = data if limited[1] else data[::-1]
    for predicted in PREDICTED[:2]:
        middle = np.array([predicted])
        found = sum(
            one(log_likelihood(CORRELATED, m.value, middle, below=m.below, earlier=tuple(data[:k])))
            for k, m in enumerate(data)
        )
        z, bound = (np.log(exact) - np.log(predicted)) / 0.4, (np.log(limit) - np.log(predicted)) / 0.4

        def given(u: float, z: float = z, bound: float = bound) -> float:
            part = stats.norm.pdf(z, np.sqrt(0.6) * u, np.sqrt(0.4)) / (0.4 * exact)
            return float(
                stats.norm.pdf(u) * part * stats.norm.cdf(bound, np.sqrt(0.6) * u, np.sqrt(0.4)) ** sum(limited)
            )

        expected, _ = integrate.quad(given, -9, 9, epsabs=0, epsrel=1e-9, limit=200)
        assert found == pytest.approx(np.log(expected), abs=1e-5)


@pytest.mark.parametrize(
    "earlier", [(MeasuredValue(2.0),), (MeasuredValue(2.0), MeasuredValue(0.0, above=4.0))], ids=["known", "limit"]
)
def test_the_expectation_of_a_replicate_is_the_one_it_is_weighed_by(earlier: tuple[MeasuredValue, ...]) -> None:
    points = at_levels(CORRELATED, PREDICTED, levels_of(len(PREDICTED), 8), earlier)
    for row, predicted in zip(points, PREDICTED, strict=True):
        middle = np.array([predicted])
        levels = np.array([one(cdf(CORRELATED, float(y), middle, earlier)) for y in row])
        if len(earlier) == 1:
            assert np.floor(levels * 8).tolist() == list(range(8))
        density, _ = integrate.quad(
            lambda y, m=middle: float(np.exp(one(log_likelihood(CORRELATED, y, m, earlier=earlier)))),
            1e-9,
            float(row[3]),
        )
        assert density == pytest.approx(levels[3], abs=1e-6)
    alone = spread_out(CORRELATED, PREDICTED, 8)
    assert (np.ptp(np.log(points), axis=1) < np.ptp(np.log(alone), axis=1)).all()


@pytest.mark.parametrize("error", SPECS, ids=NAMES)
def test_a_prediction_that_overflowed_has_no_likelihood_and_gives_no_warning(error: ErrorSpec) -> None:
    found = log_likelihood(error, 1.0, np.array([1.0, np.inf, 1e300]))
    assert np.isfinite(found[0])
    assert not np.isfinite(found[1])


def test_a_logarithm_is_of_the_prediction_however_little_it_is_and_finite_of_none() -> None:
    on_logarithm = spec("log_additive", additive=0.5)
    few = np.array([1e-40, 1e-17, 1e-13])
    np.testing.assert_allclose(on_scale(on_logarithm, few), np.log(few), rtol=1e-15)
    np.testing.assert_allclose(standardised(on_logarithm, 1e-17, few), (np.log(1e-17) - np.log(few)) / 0.5, atol=1e-12)
    assert np.isfinite(on_scale(on_logarithm, np.array([0.0, -1e-18]))).all()
    combined = spec("log_combined", additive=0.5, proportional=0.1)
    assert np.isfinite(log_likelihood(combined, 1e-3, np.array([0.0, 1e-40]))).all()


# --- beside values of other outputs ----------------------------------------------------------------------------------

THREE = tuple(
    replace(error, beside=beside)
    for error, beside in zip(
        (
            ErrorSpec("proportional", 0.0, 0.2, None, None, None),
            ErrorSpec("log_additive", 0.3, 0.0, None, None, None),
            ErrorSpec("combined", 0.5, 0.1, None, None, None),
        ),
        ((), (0.7,), (-0.4, 0.2)),
        strict=True,
    )
)
MEASURED, SHOWN = np.array([2.0, 5.0, 3.0]), np.array([[1.5, 2.5], [6.0, 3.0], [4.0, 2.0]])


def beside_others(output: int, others: list[int]) -> tuple[ErrorSpec, Floats]:
    """The error of an output beside others, and the residuals of these."""
    given = given_others(THREE, output, others)
    z = np.array([standardised(THREE[e], float(MEASURED[e]), SHOWN[e]) for e in others])
    return replace(THREE[output], given=given), z


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_values_weighed_one_beside_the_other_are_a_normal_of_all_in_any_order(order: tuple[int, ...]) -> None:
    total = np.zeros(2)
    for n, output in enumerate(order):
        if n == 0:
            total += log_likelihood(THREE[output], float(MEASURED[output]), SHOWN[output])
            continue
        error, beside = beside_others(output, list(order[:n]))
        total += log_likelihood(error, float(MEASURED[output]), SHOWN[output], beside=beside)
    for particle in range(2):
        f = SHOWN[:, particle]
        sizes = np.array([0.2 * f[0], 0.3, np.hypot(0.5, 0.1 * f[2])])
        away = np.array([MEASURED[0] - f[0], np.log(MEASURED[1] / f[1]), MEASURED[2] - f[2]])
        known = stats.multivariate_normal(cov=correlation_of(THREE) * np.outer(sizes, sizes)).logpdf(away)
        assert total[particle] == pytest.approx(known - np.log(MEASURED[1]), rel=1e-12)


def test_the_distribution_beside_others_is_the_integral_of_the_density_and_its_quantiles_are_at_their_levels() -> None:
    error, beside = beside_others(1, [0, 2])
    values, step = np.linspace(1e-3, 30.0, 300_001), 30.0 / 300_000
    density = np.exp(log_likelihood(error, values[:, None], SHOWN[1], beside=beside[:, None]))
    area = np.cumsum(density, axis=0) * step
    np.testing.assert_allclose(cdf(error, 5.0, SHOWN[1], beside=beside), area[np.searchsorted(values, 5.0)], atol=1e-4)
    levels = np.array([[0.05, 0.5, 0.9]] * 2)
    found = at_levels(error, SHOWN[1], levels, beside=beside)
    for k in range(3):
        at = [cdf(error, float(found[n, k]), SHOWN[1], beside=beside)[n] for n in range(2)]
        np.testing.assert_allclose(at, levels[:, k], atol=1e-9)


def test_beside_a_value_that_is_as_good_as_impossible_it_counts_by_itself() -> None:
    """A level of a thousand times its size, of the second particle alone, or a solution that overflowed."""
    error, beside = beside_others(1, [0])
    for impossible in (5000.0, np.nan):
        away = np.array([[beside[0, 0], impossible]])
        found = log_likelihood(error, 5.0, SHOWN[1], beside=away)
        alone, together = log_likelihood(error, 5.0, SHOWN[1]), log_likelihood(error, 5.0, SHOWN[1], beside=beside)
        np.testing.assert_array_equal(found, [together[0], alone[1]])
        np.testing.assert_array_equal(
            at_levels(error, SHOWN[1], np.full((2, 1), 0.7), beside=away)[1],
            at_levels(error, SHOWN[1], np.full((2, 1), 0.7))[1],
        )
