"""The posterior mode and its covariances agree with paper, with SciPy, and with every descent that ends elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from twin.arrays import Floats
from twin.filter.modes.descents import Response
from twin.filter.modes.mode import find_mode

NOTHING = np.zeros(2)


def regression(design: Floats, values: Floats, spread: float) -> object:
    """Values (n,) that are normal about ``design`` (n, d) @ eta."""

    def respond(eta: Floats) -> Response:
        predicted = design @ eta.T
        loss = 0.5 * ((values[:, None] - predicted) ** 2).sum(axis=0) / spread**2
        return Response(loss, predicted, np.full_like(predicted, spread**-2))

    return respond


def level(eta: Floats) -> Response:
    """A level of 5 exp(eta_2 / 2 - eta_1) measured as 2.5 with a normal error of 0.5: curved, without closed form."""
    predicted = 5.0 * np.exp(0.5 * eta[:, 1] - eta[:, 0])
    return Response(0.5 * ((2.5 - predicted) / 0.5) ** 2, predicted[None], np.full((1, len(eta)), 4.0))


def either(eta: Floats) -> Response:
    """|eta_1| was measured as 1: two modes, +0.99 and -1.01, of which the prior prefers the nearer."""
    predicted = eta[:, 0] ** 2 + 0.02 * eta[:, 0]
    return Response(0.5 * ((1.0 - predicted) / 0.1) ** 2, predicted[None], np.full((1, len(eta)), 100.0))


def objective(respond: object, precision: Floats, eta: Floats) -> float:
    return float(respond(eta[None]).loss[0] + 0.5 * eta @ precision @ eta)  # type: ignore[operator]


@pytest.mark.parametrize("dimension", [1, 3, 7])
def test_of_a_normal_posterior_the_mode_is_its_mean_and_both_covariances_are_its_own(dimension: int) -> None:
    rng = np.random.Generator(np.random.Philox(key=3))
    design, values = rng.normal(size=(10, dimension)), rng.normal(size=10)
    precision = np.diag(rng.uniform(1.0, 30.0, dimension))
    known = np.linalg.inv(precision + design.T @ design / 0.3**2)
    for laplace in (False, True):
        found = find_mode(regression(design, values, 0.3), precision, np.zeros(dimension), laplace=laplace)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.eta, known @ design.T @ values / 0.3**2, atol=1e-6)
        np.testing.assert_allclose(found.covariance, known, rtol=1e-5, atol=1e-9)
        assert (found.converged, found.found) == (True, 1)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(0, 2**32 - 1), st.floats(0.05, 2.0))
def test_wherever_a_descent_begins_on_a_bowl_it_ends_at_the_bottom(dimension: int, seed: int, spread: float) -> None:
    rng = np.random.Generator(np.random.Philox(key=seed))
    design, values = rng.normal(size=(6, dimension)), rng.normal(size=6)
    precision = np.diag(rng.uniform(0.5, 30.0, dimension))
    known = np.linalg.inv(precision + design.T @ design / spread**2)
    found = find_mode(regression(design, values, spread), precision, rng.normal(size=dimension))  # type: ignore[arg-type]
    apart = found.eta - known @ design.T @ values / spread**2
    assert apart @ np.linalg.solve(known, apart) < 1e-6
    assert (found.converged, found.found) == (True, 1)


@pytest.mark.parametrize("start", [[0.0, 0.0], [3.0, -3.0], [-2.0, 2.0]])
def test_without_a_closed_form_scipy_finds_the_same_mode_from_wherever(start: list[float]) -> None:
    precision = np.diag([0.4**-2, 0.3**-2])
    known = optimize.minimize(lambda x: objective(level, precision, x), NOTHING, method="Nelder-Mead", tol=1e-12)
    found = find_mode(level, precision, np.array(start))
    np.testing.assert_allclose(found.eta, known.x, atol=1e-5)
    assert found.objective == pytest.approx(known.fun)
    assert found.converged


def test_the_covariance_of_foce_leaves_out_the_second_derivative_of_the_prediction_and_that_of_laplace_has_it() -> None:
    precision = np.diag([0.4**-2, 0.3**-2])
    at = find_mode(level, precision, NOTHING).eta
    predicted = 5.0 * np.exp(0.5 * at[1] - at[0])
    slope = predicted * np.array([-1.0, 0.5])
    information = precision + 4.0 * np.outer(slope, slope)
    bend = -4.0 * (2.5 - predicted) * np.outer(slope, slope) / predicted
    foce, laplace = (find_mode(level, precision, NOTHING, laplace=which).covariance for which in (False, True))
    np.testing.assert_allclose(foce, np.linalg.inv(information), rtol=1e-4)
    np.testing.assert_allclose(laplace, np.linalg.inv(information + bend), rtol=1e-4)
    assert not np.allclose(foce, laplace, rtol=0.01)


@pytest.mark.parametrize("start", [-1.0, 1.0, 0.0])
def test_of_two_modes_the_deeper_is_found_from_either_side_and_both_are_counted(start: float) -> None:
    found = find_mode(either, np.eye(1), np.array([start]))
    assert found.eta[0] == pytest.approx(0.9875, abs=1e-3)
    assert found.found == 2
    alone = find_mode(either, np.eye(1), np.array([-1.0]), scattered_starts=False)
    assert alone.eta[0] == pytest.approx(-1.0075, abs=1e-3)
    assert alone.objective > found.objective
    assert alone.found == 1


def test_every_point_of_an_iteration_is_one_call() -> None:
    sizes: list[int] = []

    def counted(eta: Floats) -> Response:
        sizes.append(len(eta))
        return level(eta)

    find_mode(counted, np.eye(2), NOTHING, scattered_starts=False)
    assert set(sizes) == {7}  # with second differences: d^2 + d + 1
    assert len(sizes) < 12
    wide = regression(np.ones((3, 8)), np.ones(3), 0.5)
    sizes.clear()
    find_mode(lambda eta: (sizes.append(len(eta)), wide(eta))[1], np.eye(8), np.zeros(8), scattered_starts=False)  # type: ignore[operator]
    assert set(sizes) == {17}  # without: 2 d + 1


def test_what_cannot_be_is_stepped_around() -> None:
    def walled(eta: Floats) -> Response:
        found = level(eta)
        return Response(np.where(eta[:, 0] > 0.35, np.inf, found.loss), found.coordinates, found.weights)

    open_country = find_mode(level, np.diag([1.0, 1.0]), NOTHING).eta
    assert open_country[0] > 0.35
    found = find_mode(walled, np.diag([1.0, 1.0]), NOTHING)
    assert found.eta[0] <= 0.35
    assert np.isfinite(found.objective)
    assert np.isfinite(found.covariance).all()


def test_a_direction_without_information_has_the_variance_of_the_prior() -> None:
    found = find_mode(regression(np.array([[1.0, 0.0]]), np.ones(1), 0.1), np.diag([4.0, 25.0]), NOTHING)  # type: ignore[arg-type]
    assert found.eta[1] == 0.0
    assert found.covariance[1, 1] == pytest.approx(1 / 25)


def test_a_mode_that_was_not_reached_says_so() -> None:
    def noisy(eta: Floats) -> Response:
        rough = 0.05 * np.modf(4e4 * np.sin(1e8 * eta[:, 0]))[0]
        return Response(rough, np.zeros((1, len(eta))), np.zeros((1, len(eta))))

    found = find_mode(noisy, np.eye(1), np.array([2.0]), scattered_starts=False)
    assert not found.converged
    assert np.isfinite(found.covariance).all()


def test_nothing_to_estimate_is_settled_at_once() -> None:
    def constant(eta: Floats) -> Response:
        return Response(np.full(len(eta), 3.0), np.empty((0, len(eta))), np.empty((0, len(eta))))

    found = find_mode(constant, np.zeros((0, 0)), np.empty(0))
    assert (found.eta.shape, found.covariance.shape, found.objective, found.converged) == ((0,), (0, 0), 3.0, True)


def test_the_same_data_give_the_same_bytes() -> None:
    one, other = (find_mode(level, np.eye(2), NOTHING) for _ in range(2))
    assert one.eta.tobytes() == other.eta.tobytes()
    assert one.covariance.tobytes() == other.covariance.tobytes()


def test_a_long_way_down_a_bent_valley_is_followed_to_its_end() -> None:
    """Rosenbrock's valley, on which steps by the expected information crawl: SciPy finds the same."""

    def valley(eta: Floats) -> Response:
        # Variances that are predicted as well as means make F larger than the curvature is.
        across = eta[:, 1] - eta[:, 0] ** 2
        loss = 0.5 * (across / 0.02) ** 2 + 0.5 * ((3.0 - eta[:, 0]) / 0.5) ** 2
        return Response(loss, np.array([across, eta[:, 0]]), np.array([[0.02**-2], [400.0]]) * np.ones((2, len(eta))))

    precision = np.diag([0.01, 0.01])
    # Across the valley nothing is to be gained, so that little more than its floor is left to search.
    known = optimize.minimize_scalar(lambda at: objective(valley, precision, np.array([at, at * at])), (2.0, 3.0))
    found = find_mode(valley, precision, np.array([-2.0, 4.0]), scattered_starts=False)
    assert found.eta[0] == pytest.approx(known.x, abs=0.01)
    assert found.objective == pytest.approx(known.fun, abs=1e-3)
    assert found.converged


def test_a_mode_that_differences_see_a_little_aside_has_been_reached() -> None:
    """L''' is so large that central differences err: no step leads down, and the decrement is that of a mode."""

    def skew(eta: Floats) -> Response:
        at = 400.0 * eta[:, 0]
        return Response(np.exp(at) - at, at[None], np.ones((1, len(eta))))

    found = find_mode(skew, np.eye(1), np.array([0.004]), scattered_starts=False)
    assert abs(found.eta[0]) < 0.03 / 400
    assert found.converged


def test_of_many_basins_the_deepest_is_found_where_the_prior_is_wide() -> None:
    """Two rates, of which the prior prefers the swap of what the start suggests (see `test_peaks`)."""

    def respond(eta: Floats) -> Response:
        seen = np.array([eta[:, 0] + eta[:, 1] - 0.5, eta[:, 0] * eta[:, 1] + 2.0]) / 0.05
        return Response(0.5 * (seen**2).sum(axis=0) - 0.2 * eta[:, 1], seen, np.ones_like(seen))

    for start in ([1.7, -1.2], [-1.2, 1.7], [3.0, -3.0]):
        found = find_mode(respond, np.eye(2), np.array(start))
        assert found.eta[1] > found.eta[0]
        assert (found.converged, found.found) == (True, 2)
