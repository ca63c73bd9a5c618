"""Whole numbers: what lies below a limit, at it and above it is all there is."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.observation.outcomes import BINOMIAL, GRADES, MEANS, POISSON, SHARES, look
from twin.arrays import Floats
from twin.model.spec import OutputSpec
from twin.observation.kinds import kind_of

EACH = pytest.mark.parametrize(
    ("spec", "rows"), [(POISSON, MEANS), (BINOMIAL, MEANS), (GRADES, SHARES)], ids=["poisson", "binomial", "grades"]
)


@EACH
def test_below_at_and_above_are_all_there_is(spec: OutputSpec, rows: Floats) -> None:
    parts = [look(9, below=1.0), look(1), look(9, above=1.0)]
    total = sum(np.exp(kind_of(spec).log_likelihood(spec, part, rows)) for part in parts)
    np.testing.assert_allclose(total, 1.0, rtol=1e-9)


@EACH
def test_values_stand_for_levels_that_lie_one_above_the_other_without_gaps(spec: OutputSpec, rows: Floats) -> None:
    upto = np.zeros(rows.shape[1])
    for value in range(3):
        low, high = kind_of(spec).levels(spec, look(value), rows)
        np.testing.assert_array_equal(low, upto)
        assert (high >= low).all()
        upto = high
