"""Exponential, logarithm and angles in plain arithmetic: as good as the library's, and the same in any company."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from twin.kernel.vector_math import cos, exp, expm1, log, power, sin, tanh

ULP = np.finfo(np.float64).eps


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def exps(x, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        out[i] = exp(x[i])


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def expm1s(x, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        out[i] = expm1(x[i])


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def logs(x, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        out[i] = log(x[i])


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def powers(x, y, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        out[i] = power(x[i], y[i])


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def angles(x, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        out[i, 0] = sin(x[i])
        out[i, 1] = cos(x[i])
        out[i, 2] = tanh(x[i])


def ran(function: object, *arguments: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.empty_like(arguments[0])
    function(*arguments, out)  # type: ignore[operator]
    return out


def test_exponentials_agree_with_the_library_to_two_units_in_the_last_place() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.uniform(-700, 700, 20_000), rng.normal(size=20_000), 1e-6 * rng.normal(size=20_000), [0.0]])
    np.testing.assert_allclose(ran(exps, x), np.exp(x), rtol=2 * ULP)
    np.testing.assert_allclose(ran(expm1s, x), np.expm1(x), rtol=2 * ULP)


def test_logarithms_agree_with_the_library_also_near_one() -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([np.exp(rng.uniform(-700, 700, 20_000)), 1 + 1e-4 * rng.normal(size=20_000), [1.0]])
    np.testing.assert_allclose(ran(logs, x), np.log(x), rtol=2 * ULP)


def test_powers_of_counts_agree_with_the_library() -> None:
    rng = np.random.default_rng(3)
    x, y = np.exp(rng.uniform(-5, 5, 20_000)), rng.uniform(-3, 3, 20_000)
    np.testing.assert_allclose(ran(powers, x, y), x**y, rtol=20 * ULP)


def test_what_has_no_value_is_not_a_number() -> None:
    assert np.isnan(ran(logs, np.array([-1.0, np.nan]))).all()
    assert np.isnan(ran(exps, np.array([np.nan]))).all()
    assert ran(exps, np.array([-np.inf, -800.0])).max() < 1e-300
    assert ran(expm1s, np.array([-np.inf]))[0] == -1.0


def test_a_value_is_the_same_alone_and_in_company() -> None:
    x = np.random.default_rng(4).normal(size=257)
    together = ran(exps, x)
    assert [ran(exps, x[i : i + 1])[0] for i in range(len(x))] == together.tolist()
    assert [ran(logs, np.exp(x[i : i + 1]))[0] for i in range(len(x))] == ran(logs, np.exp(x)).tolist()


def test_angles_agree_with_the_library_up_to_a_million() -> None:
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.uniform(-limit, limit, 10_000) for limit in (1e-3, 1, 10, 1e3, 9e5)])
    out = np.empty((len(x), 3))
    angles(x, out)
    np.testing.assert_allclose(out[:, 0], np.sin(x), rtol=0, atol=2 * ULP)
    np.testing.assert_allclose(out[:, 1], np.cos(x), rtol=0, atol=2 * ULP)
    np.testing.assert_allclose(out[:, 2], np.tanh(x), rtol=4 * ULP)
    angles(np.array([np.nan]), out)
    assert np.isnan(out[0]).all()
