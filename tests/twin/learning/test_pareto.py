"""The shape of a tail is found, and weights that cannot be trusted are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twin.learning.pareto import TRUSTED, tail_shape


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9])
def test_the_shape_of_a_pareto_tail_is_found(shape: float) -> None:
    uniform = np.random.default_rng(3).random((20, 4000))
    found = [tail_shape(np.log1p((row**-shape - 1) / shape)) for row in uniform]
    assert np.mean(found) == pytest.approx(shape, abs=0.08)


def test_proposals_that_are_too_narrow_are_not_trusted() -> None:
    draws = np.random.default_rng(4).standard_normal(2000)

    def shape(sd: float) -> float:
        return tail_shape(-0.5 * (draws * sd) ** 2 + 0.5 * draws**2)

    assert shape(0.9) < 0.3
    assert shape(0.4) > TRUSTED, "weights of a normal drawn with a scale of 0.4 of its own have no variance"


def test_equal_weights_have_no_tail_and_few_ones_tell_nothing() -> None:
    assert tail_shape(np.zeros(1000)) == -math.inf
    assert tail_shape(np.arange(8.0)) == math.inf
