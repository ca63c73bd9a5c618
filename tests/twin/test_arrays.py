"""What is stored is what was computed with, and what comes of a row hangs on no other one."""

from __future__ import annotations

import numpy as np

from twin.arrays import each_row, storable
from twin.filter.belief import prior
from twin.modelfile.library import load_model


def test_particles_are_stored_as_they_are_computed_with() -> None:
    eta = prior(load_model("mercaptopurine_jost2020"), 100, "P-1").eta
    assert np.array_equal(eta.astype(np.float32).astype(np.float64), eta)
    assert np.array_equal(storable(eta), eta)


def test_a_row_comes_out_the_same_in_any_company() -> None:
    random = np.random.default_rng(3)
    for width, out in ((1, 1), (2, 7), (7, 7), (24, 60)):
        rows, matrix = random.normal(size=(100, width)), random.normal(size=(width, out))
        together = each_row(rows, matrix)
        np.testing.assert_allclose(together, rows @ matrix, rtol=0, atol=1e-13)
        for few in (1, 2, 3, 17):
            np.testing.assert_array_equal(each_row(rows[:few], matrix), together[:few])
        np.testing.assert_array_equal(each_row(rows[5:6], matrix)[0], together[5])
    assert each_row(np.empty((3, 0)), np.empty((0, 2))).tolist() == [[0.0, 0.0]] * 3
