"""Parameters and covariates in one normal law: what follows from it by conditioning, and the model that tells it."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from tests.twin import toys
from twin.covariates.characteristics import Characteristic, CovariateError
from twin.covariates.full_random import FullRandomEffects, Moments, constant, full_model
from twin.modelfile.reader import parse_model

MODEL = parse_model(toys.ABSORPTION, "toy_absorption.toml")


def moments(count: int = 4000) -> Moments:
    rng = np.random.default_rng(3)
    a = rng.normal(size=count)
    b = 0.6 * a + 0.8 * rng.normal(size=count)
    return Moments.of(("A", "B"), np.column_stack([a, 2.0 * b + 5.0]))


def effects(of: Moments, error: float = 0.0) -> FullRandomEffects:
    slopes = np.array([[0.3, 0.0], [0.1, 0.2]])
    covariance = np.array([np.diag([error**2] * 3)] * 2)
    return FullRandomEffects(("CL", "V"), of, slopes, np.array([[0.04, 0.01], [0.01, 0.09]]), covariance)


def test_omega_holds_what_its_parts_say() -> None:
    of = moments()
    omega = effects(of).omega
    np.testing.assert_allclose(omega[2:, 2:], of.covariance)
    slopes = omega[:2, 2:] @ np.linalg.inv(omega[2:, 2:])
    np.testing.assert_allclose(slopes, effects(of).slopes, atol=1e-12)
    left = omega[:2, :2] - slopes @ omega[2:, :2]
    np.testing.assert_allclose(left, effects(of).residual, atol=1e-12)


def test_a_covariate_alone_has_what_goes_along_with_it() -> None:
    of = moments()
    alone, error = effects(of).given(["B"])
    assert error is not None
    # B says of A what 0.6 / 2 per unit says of it.
    assert alone[0, 0] == pytest.approx(0.3 * of.covariance[0, 1] / of.covariance[1, 1])
    assert alone[0, 0] == pytest.approx(0.3 * 0.6 / 2.0, abs=0.01)
    # Its error is that of the regression of A on B, in as many patients.
    left = of.covariance[0, 0] - of.covariance[0, 1] ** 2 / of.covariance[1, 1]
    assert error[0, 0] == pytest.approx(0.3 * np.sqrt(left / of.covariance[1, 1] / of.count))
    both, error = effects(of, error=0.05).given(["A", "B"])
    np.testing.assert_allclose(both, effects(of).slopes, atol=1e-12)
    np.testing.assert_allclose(error, 0.05)


def test_the_share_that_covariates_explain_has_an_error_by_the_delta_method() -> None:
    of = moments(200)
    share, error = effects(of, error=0.01).explained()
    assert error is not None
    by = 0.09 * of.covariance[0, 0]
    assert share[0] == pytest.approx(by / (by + 0.04))
    rng, draws = np.random.default_rng(1), 4000
    slopes = 0.3 + 0.01 * rng.normal(size=draws)
    other = 0.01 * rng.normal(size=draws)
    values = rng.normal(size=(draws, 200, 2)) @ np.linalg.cholesky(of.covariance).T
    xx = np.einsum("dni,dnj->dij", values, values) / 200
    simulated = slopes**2 * xx[:, 0, 0] + 2 * slopes * other * xx[:, 0, 1] + other**2 * xx[:, 1, 1]
    residual = 0.04 + 0.01 * rng.normal(size=draws)
    assert error[0] == pytest.approx((simulated / (simulated + residual)).std(), rel=0.15)


def test_every_parameter_depends_on_every_covariate_along_its_eta() -> None:
    weight = Moments(("WT",), np.array([60.0]), np.array([[100.0]]), np.array([45.0]), np.array([75.0]), 50)
    described = {"WT": Characteristic("WT", "kg", 60.0, 41.0, 82.0)}
    made = full_model(MODEL, ("CL", "V"), weight, described, "full")
    by_name = {each.name: each for each in made.parameters}
    assert ast.unparse(by_name["CL"].expression or ast.Constant(0)) == "CL * exp(CL_WT * (WT - 60.0)) * (WT / 70)"
    assert by_name["V_WT"].unit == "1/kg"
    assert made.omega[0, 1] == pytest.approx(0.1 * np.sqrt(made.omega[0, 0] * made.omega[1, 1]))
    assert made.covariates[0].reference == 60.0
    assert made.covariates[0].studied == (41.0, 82.0)
    with pytest.raises(CovariateError, match="'ka' has no random effects; parameters with iiv are CL, V"):
        full_model(MODEL, ("ka",), weight, described, "full")


def test_covariates_that_cannot_be_told_apart_or_change_are_refused() -> None:
    rng = np.random.default_rng(2)
    one = rng.normal(size=30)
    with pytest.raises(CovariateError, match="one of A, B follows from the others"):
        Moments.of(("A", "B"), np.column_stack([one, 2.0 * one]))
    with pytest.raises(CovariateError, match="B is the same in every patient"):
        Moments.of(("A", "B"), np.column_stack([one, np.ones(30)]))
    with pytest.raises(CovariateError, match="3 patients are too few for 2"):
        Moments.of(("A", "B"), np.column_stack([one[:3], one[3:6]]))
    described = {"A": Characteristic("A", "1", 0.0, 0.0, 2.0, (0.0, 1.0, 2.0)), "B": Characteristic("B", "1", 0, 0, 1)}
    with pytest.raises(CovariateError, match="A has 3 categories; make a covariate of 0 and 1 of each"):
        constant([np.zeros((1, 2))], ("A", "B"), described)
    with pytest.raises(CovariateError, match="B changes over time in 1 patients"):
        constant([np.array([[0.0], [1.0]]), np.zeros((2, 1))], ("B",), described)
