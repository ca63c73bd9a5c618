"""The population of given draws is that of closed forms, and zeros and fixed blocks stay."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.importance.test_density import cohort_of
from tests.twin.population.laplace.test_laplace import GRADED, graded
from tests.twin.population.sampling.test_saem import cohort_of_normal
from tests.twin.population.test_theta import model as three_effects
from twin.population.importance.density import Density
from twin.population.laplace.methods import usual_objective
from twin.population.means.means import Means
from twin.population.means.regression import Moment, Moments, covariance, regressed
from twin.population.prior import Prior
from twin.population.sampling.chains import Chains, believed
from twin.population.sampling.maximised import _slopes, stepped
from twin.population.sampling.target import Target
from twin.population.theta import Theta


def test_means_are_a_regression_and_omega_what_is_left() -> None:
    cohort = cohort_of_normal()
    means, theta = Means(cohort), cohort.theta
    psi = np.random.default_rng(3).normal(1.5, 0.4, (len(cohort), 1))
    vector = theta.pack(theta.start)
    found = regressed(means, theta, vector, Moments(psi, psi[:, :, None] ** 2))
    age = np.array([subject.timeline.covariates[-1, 0] for subject in cohort.subjects])
    slope, intercept = np.polyfit(age, psi[:, 0], 1)
    named = dict(zip(theta.names, found, strict=True))
    assert named["Base"] == pytest.approx(intercept)
    assert named["by_age"] == pytest.approx(slope)
    rest = psi[:, 0] - intercept - slope * age
    assert theta.unpack(found).omega[0, 0] == pytest.approx(np.mean(rest**2))
    # What says nothing of means stays.
    assert named["gain"] == vector[theta.names.index("gain")]


def test_means_and_omega_are_at_the_joint_mode_of_what_is_known_before() -> None:
    cohort = cohort_of_normal()
    known = {"Base": {"value": 4.0, "se": 0.2}, "by_age": {"value": 0.0, "se": 0.05}}
    known["omega.Base"] = {"value": 0.3, "degrees": 12}
    prior = Prior.read({"source": "made up", "numbers": known})
    theta = cohort.theta = cohort.theta.with_prior(prior)
    means, n = Means(cohort), len(cohort)
    psi = np.random.default_rng(3).normal(1.5, 0.4, (n, 1))
    vector = theta.pack(theta.start)
    for _ in range(60):
        vector = regressed(means, theta, vector, Moments(psi, psi[:, :, None] ** 2))
    rest, omega = psi - means.at(vector), float(theta.unpack(vector).omega[0, 0])
    assert omega == pytest.approx((float((rest**2).sum()) + 12 * 0.3) / (n + 12 + 2))

    def misfit(at: np.ndarray) -> float:
        penalty = theta.penalty(at)
        assert penalty is not None
        away = psi - means.at(at)
        inside = theta.unpack(at).omega[0, 0]
        return float((away**2).sum() / inside + n * np.log(inside)) + penalty.value

    for name in ("Base", "by_age", "omega.Base"):
        step = 1e-4 * np.eye(theta.size)[theta.names.index(name)]
        assert (misfit(vector + step) - misfit(vector - step)) / 2e-4 == pytest.approx(0.0, abs=2e-3)


def test_a_block_with_a_zero_within_is_the_one_that_suits_best() -> None:
    theta = Theta.of(three_effects())
    vector = theta.pack(theta.start)
    draws = np.random.default_rng(1).normal(size=(50, 3)) @ np.array([[0.4, 0.1, 0.1], [0, 0.5, 0.2], [0, 0, 0.3]])
    moment = draws.T @ draws / 50
    found = covariance(theta, vector, "omega", Moment(moment, np.ones_like(moment)))
    assert found[1, 2] == found[2, 1] == 0.0
    # Where it suits best the inverse agrees with the moment wherever it is free.
    slope = np.linalg.inv(found) - np.linalg.inv(found) @ moment @ np.linalg.inv(found)
    np.testing.assert_allclose(slope[theta.patterns["omega"]], 0.0, atol=1e-3)
    held = Theta.of(three_effects(), fixed=("omega.a.b",))
    np.testing.assert_allclose(covariance(held, held.pack(held.start), "omega", moment), held.start.omega, rtol=1e-12)


def test_numbers_that_move_predictions_and_errors_are_the_best_of_the_draws() -> None:
    cohort = cohort_of_normal()
    means, theta, density = Means(cohort), cohort.theta, Density(cohort)
    vector = theta.pack(theta.start)
    known = believed(usual_objective(cohort), means, vector)
    chains = Chains(cohort, means, np.repeat(known.eta[:, None], 2, axis=1), 3, 1)
    sweep = chains.sweep(Target(density, vector), known)

    def log(at: np.ndarray) -> float:
        target = Target(density, at)
        return float((sweep.share * target.log_values(target.read(sweep.eta))).sum())

    found = vector
    for _ in range(6):
        target = Target(density, found)
        read = target.read(sweep.eta)
        found = stepped(target, sweep._replace(read=read), means, found)
    assert log(found) > log(vector)
    for name in ("gain", "error.marker.additive"):
        step = 0.01 * np.eye(theta.size)[theta.names.index(name)]
        assert log(found) > max(log(found + step), log(found - step))


def test_slopes_of_all_numbers_that_move_predictions_are_of_one_solve(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = cohort_of(graded(), GRADED)
    means, vector = Means(cohort), cohort.theta.pack(cohort.theta.start)
    target, eta = Target(Density(cohort), vector), np.full((2, 5, 2), 0.1)
    numbers = [cohort.theta.names.index(name) for name in ("slope", "k", "V")]
    alone = [_slopes(target, eta, vector, [one])[0] for one in numbers]
    solved, rows = list[int](), cohort.rows
    monkeypatch.setattr(cohort, "rows", lambda *given: (solved.append(1), rows(*given))[1])
    for one, expected in zip(_slopes(target, eta, vector, numbers), alone, strict=True):
        for part, other in zip(one.parts, expected.parts, strict=True):
            assert (part is None) == (other is None)
            if part is not None and other is not None:
                np.testing.assert_allclose(part, other, rtol=1e-9)
    assert len(solved) == 1
    assert not _slopes(target, eta, vector, means.apart[:0])
