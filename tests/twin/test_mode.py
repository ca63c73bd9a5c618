"""The posterior mode and its curvature agree with paper and with SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from twin.mode import find_mode, hessian

Floats = NDArray[np.float64]
PRECISION = np.array([[4.0, 1.0, 0.0], [1.0, 9.0, -2.0], [0.0, -2.0, 3.0]])
CENTRE = np.array([0.3, -1.2, 0.7])


def bowl(eta: Floats) -> Floats:
    apart = eta - CENTRE
    return np.asarray(7.0 + 0.5 * np.einsum("ni,ij,nj->n", apart, PRECISION, apart))


def skewed(eta: Floats) -> Floats:
    """A log-normal clearance seen through one noisy level: curved, without closed form."""
    level = 5.0 * np.exp(-eta[:, 0] + 0.5 * eta[:, 1])
    return (
        0.5 * (eta[:, 0] / 0.4) ** 2 + 0.5 * (eta[:, 1] / 0.3) ** 2 + 0.5 * ((np.log(level) - np.log(2.5)) / 0.2) ** 2
    )


def wavy(eta: Floats) -> Floats:
    return np.cosh(eta[:, 0] - 1.0) + 0.5 * (eta[:, 1] - np.sin(eta[:, 0])) ** 2


def test_of_a_normal_posterior_the_mode_is_its_mean_and_the_curvature_its_covariance() -> None:
    found = find_mode(bowl, np.zeros(3))
    np.testing.assert_allclose(found.eta, CENTRE, atol=2e-5)
    np.testing.assert_allclose(found.covariance, np.linalg.inv(PRECISION), rtol=1e-6, atol=1e-8)
    assert found.objective == pytest.approx(7.0)
    assert found.converged


def test_a_linear_gaussian_datum_gives_the_conjugate_posterior() -> None:
    found = find_mode(skewed, np.zeros(2))
    # log level = log 5 + b.eta: Gaussian in eta, although the level is not.
    b, y, s = np.array([-1.0, 0.5]), np.log(2.5) - np.log(5.0), 0.2
    precision = np.diag([0.4**-2, 0.3**-2]) + np.outer(b, b) / s**2
    np.testing.assert_allclose(found.eta, np.linalg.solve(precision, b * y / s**2), atol=1e-5)
    np.testing.assert_allclose(found.covariance, np.linalg.inv(precision), rtol=1e-5)


def test_without_a_closed_form_scipy_finds_the_same_mode() -> None:
    known = optimize.minimize(lambda x: float(wavy(x[None])[0]), [0.0, 0.0], method="Nelder-Mead", tol=1e-12)
    found = find_mode(wavy, np.zeros(2))
    np.testing.assert_allclose(found.eta, known.x, atol=1e-4)
    assert found.objective == pytest.approx(known.fun)


def test_second_differences_are_second_derivatives() -> None:
    at = np.array([0.4, -0.3])
    apart = at[1] - np.sin(at[0])
    across = -np.cos(at[0])
    known = np.array([[np.cosh(at[0] - 1) + np.cos(at[0]) ** 2 + apart * np.sin(at[0]), across], [across, 1.0]])
    np.testing.assert_allclose(hessian(wavy, at), known, atol=1e-4)


def test_all_points_of_a_gradient_are_one_call() -> None:
    sizes: list[int] = []

    def counted(eta: Floats) -> Floats:
        sizes.append(len(eta))
        return bowl(eta)

    find_mode(counted, np.zeros(3))
    assert set(sizes) == {7, 24}  # 2 d + 1 points of a gradient, 4 for each of d (d + 1) / 2 second differences


def test_a_direction_without_information_still_has_a_finite_variance() -> None:
    found = find_mode(lambda eta: 0.5 * eta[:, 0] ** 2 + 0.0 * eta[:, 1], np.array([1.0, 1.0]))
    assert np.isfinite(found.covariance).all()
    assert (np.linalg.eigvalsh(found.covariance) > 0).all()


def test_a_mode_that_was_not_reached_says_so() -> None:
    def noisy(eta: Floats) -> Floats:
        return 0.5 * eta[:, 0] ** 2 + 0.05 * np.modf(4e4 * np.sin(1e8 * eta[:, 0]))[0]

    found = find_mode(noisy, np.array([2.0]))
    assert abs(found.eta[0]) > 0.1
    assert not found.converged


def test_nothing_to_estimate_is_settled_at_once() -> None:
    found = find_mode(lambda eta: np.full(len(eta), 3.0), np.empty(0))
    assert (found.eta.shape, found.covariance.shape, found.objective, found.converged) == ((0,), (0, 0), 3.0, True)
