"""The normal distribution function as a formula, against the complementary error function of C."""

from __future__ import annotations

import math

import pytest

from connectors.models.normal import distribution
from twin.model.formula import evaluate


@pytest.mark.parametrize("z", [-7.0, -3.0, -0.4, 0.0, 1.2, 6.0])
def test_the_formula_is_the_distribution_function(z: float) -> None:
    found = float(evaluate(distribution("z"), {"z": z}))
    assert found == pytest.approx(0.5 * math.erfc(-z / math.sqrt(2.0)), rel=1e-8)
