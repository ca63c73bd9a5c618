"""What is stored is what was computed with."""

from __future__ import annotations

import numpy as np

from twin.arrays import storable
from twin.filter.belief import prior
from twin.modelfile.library import load_model


def test_particles_are_stored_as_they_are_computed_with() -> None:
    eta = prior(load_model("mercaptopurine_jost2020"), 100, "P-1").eta
    assert np.array_equal(eta.astype(np.float32).astype(np.float64), eta)
    assert np.array_equal(storable(eta), eta)
