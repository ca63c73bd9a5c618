"""Placed parameters make the individuals that a kernel makes, and others too without a compilation."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from twin.kernel import kernel as kernels
from twin.kernel.free import free_functions, natural, placed, scale_of, slope
from twin.kernel.kernel import compile_model
from twin.modelfile.reader import parse_model

MODEL = parse_model(toys.ABSORPTION, "toy_absorption.toml")


def test_individuals_are_those_of_the_kernel() -> None:
    kernel, free = compile_model(MODEL), free_functions(compile_model(MODEL))
    eta = np.random.default_rng(1).normal(0, 0.3, (5, len(MODEL.eta_names)))
    covariates = np.repeat(kernel.reference[None], 5, axis=0)
    covariates[:, 0] = [50, 60, 70, 80, 90]
    phi = np.array([[placed(scale_of(p), p.value) for p in MODEL.parameters]] * 5)
    for i, name in enumerate(MODEL.eta_names):
        phi[:, [p.name for p in MODEL.parameters].index(name)] += eta[:, i]
    par, expected = np.empty((5, kernel.width)), np.empty((1, kernel.width))
    free.individual(phi, covariates, par)
    for n in range(5):
        kernel.individual(eta[n : n + 1], covariates[n], expected)
        np.testing.assert_allclose(par[n], expected[0], rtol=1e-13)


def test_other_typical_values_are_not_compiled_anew() -> None:
    free = free_functions(compile_model(MODEL))
    known = len(kernels._MODULES)
    again = free_functions(compile_model(parse_model(toys.ABSORPTION.replace("value = 6\n", "value = 7\n"), "t.toml")))
    assert again.individual is free.individual
    # The kernel of other numbers has another `individual` of its own.
    assert len(kernels._MODULES) == known + 1


@pytest.mark.parametrize(("scale", "value"), [("log", 3.0), ("logit", 0.2), ("identity", -4.0)])
def test_scales_are_inverted_and_have_their_slope(scale, value: float) -> None:  # type: ignore[no-untyped-def]
    at = placed(scale, value)
    assert natural(scale, at) == pytest.approx(value)
    assert slope(scale, value) == pytest.approx((natural(scale, at + 1e-6) - natural(scale, at - 1e-6)) / 2e-6)
