"""Terms of a residual are what its log-likelihood says, and their derivatives what differences say."""

from __future__ import annotations

import numpy as np
import pytest

from twin.model.measured.error import ErrorSpec
from twin.observation.residual import log_likelihood, on_scale
from twin.population.residuals import held, iwres, log_density, terms

ERRORS = (
    ErrorSpec("additive", 0.4, 0.0, None, None, None),
    ErrorSpec("proportional", 0.0, 0.2, None, None, None),
    ErrorSpec("combined", 0.4, 0.2, None, None, None),
    ErrorSpec("combined", 0.4, 0.2, None, None, None, combination="sd"),
    ErrorSpec("power", 0.1, 0.3, None, None, None, exponent=0.7),
    ErrorSpec("deviation", 0.1, 0.3, None, None, None, formula="f / (f + 5)"),
    ErrorSpec("log_additive", 0.3, 0.0, None, None, None),
    ErrorSpec("log_combined", 0.2, 0.3, None, None, None),
    ErrorSpec("box_cox", 0.3, 0.0, None, None, None, box_cox=0.4),
    ErrorSpec("box_cox", 0.3, 0.0, None, None, None, box_cox=0.0),
    ErrorSpec("box_cox", 0.1, 0.0, None, None, None, box_cox=-0.6),
)
Y, F = np.array([0.8, 2.0, 5.0]), np.array([1.0, 1.5, 6.0])


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.kind)
def test_terms_and_derivatives(error: ErrorSpec) -> None:
    y, f, h = held(error, Y), held(error, F), 1e-5
    at, up, down = (terms(error, y, f + side * h) for side in (0, 1, -1))
    # Up to what the density has that does not depend on the prediction.
    beside = -log_likelihood(error, Y, F) - at.u
    np.testing.assert_allclose(beside, -log_likelihood(error, Y, F * 1.1) - terms(error, y, held(error, F * 1.1)).u)
    for value, derivative in (("u", "u_f"), ("u_f", "u_ff"), ("w", "w_f")):
        difference = (getattr(up, value) - getattr(down, value)) / (2 * h)
        np.testing.assert_allclose(getattr(at, derivative), difference, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.kind)
def test_without_interaction_the_variance_is_taken_elsewhere(error: ErrorSpec) -> None:
    y, f, f0, h = held(error, Y), held(error, F), held(error, F * 1.2), 1e-5
    at, up, down = (terms(error, y, f, f0 + side * h, line=True) for side in (0, 1, -1))
    np.testing.assert_allclose(at.w, at.u_ff)
    for value, derivative in (("u", "u_0"), ("u_f", "u_f0"), ("w", "w_0")):
        difference = (getattr(up, value) - getattr(down, value)) / (2 * h)
        np.testing.assert_allclose(getattr(at, derivative), difference, rtol=1e-6, atol=1e-8)
    moved = [terms(error, y, f + side * h, f0, line=True) for side in (1, -1)]
    np.testing.assert_allclose(at.u_f, (moved[0].u - moved[1].u) / (2 * h), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("error", [e for e in ERRORS if e.box_cox is not None], ids=lambda error: str(error.box_cox))
def test_of_a_box_cox_scale_the_density_is_that_of_the_value_itself_and_a_line_goes_on_that_scale(
    error: ErrorSpec,
) -> None:
    found = terms(error, Y, F)
    np.testing.assert_allclose(-found.u - 0.5 * np.log(2 * np.pi), log_likelihood(error, Y, F), rtol=1e-12)
    np.testing.assert_allclose(log_density(error, Y, F), -found.u, rtol=1e-12)
    h, straight = 1e-6, terms(error, Y, F, F * 1.2, line=True)
    slope = (on_scale(error, F * 1.2 + h) - on_scale(error, F * 1.2 - h)) / (2 * h)
    z = (on_scale(error, Y) - on_scale(error, F * 1.2) - slope * (F - F * 1.2)) / error.additive
    np.testing.assert_allclose(straight.u - found.u, 0.5 * z**2 - 0.5 * iwres(error, Y, F) ** 2, rtol=1e-7)
