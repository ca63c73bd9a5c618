"""Inverses of curvatures, of which one may be none."""

from __future__ import annotations

import numpy as np

from twin.population.modes.curvatures import inverse_of


def test_one_that_has_no_inverse_leaves_the_others_theirs() -> None:
    regular = np.array([[2.0, 1.0], [1.0, 3.0]])
    found = inverse_of(np.stack([regular, np.full((2, 2), 1e300), np.full((2, 2), np.nan), regular]))
    np.testing.assert_allclose(found[[0, 3]] @ regular, np.stack([np.eye(2)] * 2), atol=1e-12)
    assert np.isnan(found[1:3]).all()
