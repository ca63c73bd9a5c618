"""A deviation by a formula is what the formula says, with its slopes, and only where it says one."""

from __future__ import annotations

import numpy as np
import pytest

from twin.model.formula import ExpressionError
from twin.observation.deviation import flaw, read_formula, shape, slopes


def test_slopes_are_those_on_paper() -> None:
    f = np.array([0.01, 1.0, 40.0])
    g, first, second = slopes(read_formula("f/(f+5)"), f)
    np.testing.assert_allclose(g, f / (f + 5))
    np.testing.assert_allclose(first, 5 / (f + 5) ** 2, rtol=1e-9)
    np.testing.assert_allclose(second, -10 / (f + 5) ** 3, rtol=1e-5)


def test_a_number_is_the_same_around_every_prediction() -> None:
    np.testing.assert_array_equal(shape(read_formula("0.5"), np.array([[1.0, 2.0]])), [[0.5, 0.5]])
    assert flaw("0.5") is None


@pytest.mark.parametrize(("formula", "problem"), [("log(f)", "is -13.8155 at a prediction of 1e-06"), ("0", "is 0 at")])
def test_where_it_is_none_is_told(formula: str, problem: str) -> None:
    assert problem in (flaw(formula) or "")


def test_nothing_but_the_prediction_is_known() -> None:
    with pytest.raises(ExpressionError, match="unknown name 'CL'"):
        read_formula("CL*f")
